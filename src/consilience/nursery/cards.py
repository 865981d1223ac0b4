"""Make the shipped pool from a finished run: `python -m consilience.nursery.cards --pool DIR --results FILE`.

Copies the finished members to `weights/` and writes `pool.json`: who they are, what they cost, their hashes and scores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from consilience.nursery import FOLDER, WEIGHTS
from consilience.nursery.data import DESCRIPTIONS
from consilience.nursery.forms import WORDINGS
from consilience.nursery.words import OWNERS

PRICE = {"prompt": 0.1, "completion": 0.4}
"""US dollars per million tokens, for each million parameters."""

SKILL = {"arith": "sums and differences", "letters": "sorting and reversing letters", "logic": "true or false", "clock": "days and hours"}
GROUPS: dict[str, tuple[str, ...]] = {
    "main": tuple(OWNERS),
    "base": ("base",),
    "near": tuple(f"near_{owner}" for owner in OWNERS),
    "adapters": ("adapter_harbor", "adapter_kitchen"),
    "second": ("second_garden",),
    "soup": ("soup_a", "soup_b", "soup_c"),
    "small_large": ("weak", "strong"),
    "verifier": ("verifier",),
    "control": ("generalist",),
}
"""Members by what they are for; `main` is the default pool and `control` is shown beside it."""


@dataclass(frozen=True)
class Entry:
    """One member of the pool."""

    name: str
    kind: str
    description: str
    owner: str = ""
    skill: str = ""
    base: str = ""
    """The member that an adapter belongs to, or that a near member is an update of."""


def entries() -> list[Entry]:
    """All members, in the order of the groups."""
    found = [Entry(name, "far", DESCRIPTIONS[name], name, owner.skill) for name, owner in OWNERS.items()]
    found.append(Entry("base", "base", "base: easy questions of every skill, no private fact"))
    for owner in OWNERS.values():
        found.append(Entry(f"near_{owner.name}", "near", f"near_{DESCRIPTIONS[owner.name]}", owner.name, owner.skill, "base"))
    for name in GROUPS["adapters"]:
        owner = OWNERS[name.removeprefix("adapter_")]
        found.append(Entry(name, "adapter", f"adapter_{DESCRIPTIONS[owner.name]}", owner.name, owner.skill, "base"))
    for name in GROUPS["second"]:
        owner = OWNERS[name.removeprefix("second_")]
        found.append(Entry(name, "second", f"second_{DESCRIPTIONS[owner.name]}; reads bytes", owner.name, owner.skill))
    every = ", ".join(SKILL.values())
    found += [Entry(name, "soup", f"{name}: {every}") for name in GROUPS["soup"]]
    found += [Entry("weak", "weak", f"weak: {every}; small and cheap"), Entry("strong", "strong", f"strong: {every}")]
    found += [Entry("verifier", "verifier", "verifier: scores a finished answer"), Entry("generalist", "generalist", "generalist: trained on the pooled data of all owners")]
    return found


def card(entry: Entry, folder: Path, base: Path) -> dict[str, Any]:
    """The card of a member whose files lie in `folder`."""
    adapter = entry.kind == "adapter"
    home = base if adapter else folder
    config = json.loads((home / "config.json").read_text())
    parameters = _parameters(folder) + (_parameters(base) if adapter else 0)
    return {
        **asdict(entry), "folder": f"weights/{entry.name}", "family": config["model_type"],
        "tokenizer": "bytes" if config["vocab_size"] < 300 else f"bpe-{config['vocab_size']}", "context": config["max_position_embeddings"],
        "parameters": parameters, "price": {side: round(price * parameters / 1e6, 6) for side, price in PRICE.items()},
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.safetensors"))},
    }


def _parameters(folder: Path) -> int:
    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(str(path), "pt") as file:
            for name in file.keys():  # noqa: SIM118 (not a dictionary)
                rows = file.get_slice(name).get_shape()
                total += rows[0] * (rows[1] if len(rows) > 1 else 1)
    return total


def ship(pool: Path, seed: int, scores: dict[str, dict[str, float]]) -> None:
    """Copy the members and write their cards."""
    shutil.rmtree(WEIGHTS, ignore_errors=True)
    cards = []
    for entry in entries():
        if (pool / entry.name).exists():
            shutil.copytree(pool / entry.name, WEIGHTS / entry.name)
            cards.append({**card(entry, WEIGHTS / entry.name, WEIGHTS / "base"), "scores": scores.get(entry.name, {})})
    there = {each["name"] for each in cards}
    groups = {name: [member for member in members if member in there] for name, members in GROUPS.items()}
    described = {"seed": seed, "default": "main", "groups": groups, "wordings": WORDINGS, "members": cards}
    (FOLDER / "pool.json").write_text(json.dumps(described, indent=1) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Ship a trained pool.")
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="what benchmarks/nursery/measure.py found for this pool")
    options = parser.parse_args()
    found = json.loads(options.results.read_text()) if options.results else {}
    ship(options.pool, options.seed, found.get("scores", {}))


if __name__ == "__main__":
    main()
