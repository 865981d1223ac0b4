"""Measure one trained pool: `python benchmarks/nursery/measure.py --pool DIR --seed 0 --out benchmarks/nursery/seed0.json`."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import time
from pathlib import Path

import roles
import teams
import torch
import weights as merged
from asking import Bench

log = logging.getLogger(__name__)
SECTIONS = {
    "mixed": teams.mixed, "pairs": teams.pairs, "self-consistency": teams.consistency, "soup": merged.soup, "merges": merged.merges,
    "weak and strong": roles.small_and_large, "verifiers": roles.verifiers, "judges": roles.judges, "forms": roles.forms, "scores": roles.everyone,
}


def digests(pool: Path) -> dict[str, str]:
    """The SHA-256 of each member's weights."""
    files = sorted(path for path in pool.glob("*/*.safetensors") if path.parent.name != "work")
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure a pool of the nursery.")
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(SECTIONS))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    bench = Bench(options.pool, options.seed)
    weights = digests(options.pool)
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    if found.get("weights") != weights:  # what was measured on other members is worth nothing
        found = {"weights": weights}
    for name in options.only:
        begun = time.process_time()
        found[name] = SECTIONS[name](bench)
        options.out.write_text(json.dumps(found, indent=1) + "\n")
        log.info("%s: %.0f CPU s", name, time.process_time() - begun)
    stages = sorted((options.pool / "work").glob("*.done"))
    if stages:
        found["cpu seconds"] = {path.stem: json.loads(path.read_text())["cpu_seconds"] for path in stages}
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
