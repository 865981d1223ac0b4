"""LLMRouter's kNN, SVM, MLP and matrix factorisation, fitted on the same splits as our routers.

    python3 -m venv /tmp/llmrouter && /tmp/llmrouter/bin/pip install llmrouter-lib
    python benchmarks/routing/peers.py --python /tmp/llmrouter/bin/python     # after run.py, which makes the splits

LLMRouter's own router and trainer classes run in its own environment, with the hyper-parameters of its training
configurations, on the vectors that our routers use by default: its own embedder, a Longformer checkpoint, has to be
downloaded. Finished cells stand beside ours in `results.jsonl`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from replay import Played
from run import arena_path, finished, keep, note
from sets import ROOT, SOURCES

SIDE = Path(__file__).with_name("peers_side.py")
ROUTERS = {"LLMRouter kNN": "knn", "LLMRouter SVM": "svm", "LLMRouter MLP": "mlp", "LLMRouter MF": "mf"}


def splits(work: Path) -> Iterator[tuple[str, int, Path]]:
    """Every split that was played and that the peers have not finished."""
    done = {(r["set"], r["seed"]) for r in finished(work) if r["method"] in ROUTERS}
    for seed in range(5):
        for source in SOURCES:
            path = arena_path(work, source.name, seed)
            if path.exists() and (source.name, seed) not in done:
                yield source.name, seed, path


def played(path: Path, choice: list[int], fit: float, decide: float) -> Played:
    """What comes of the peer's choices: a single setting, for its routers have no price of money."""
    arena, rows = np.load(path), np.arange(len(choice))
    return Played(arena["score"][rows, choice][None], arena["cost"][rows, choice][None], np.full(len(choice), np.nan), 1.0, fit, decide, {})


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="the interpreter of an environment with llmrouter-lib")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "routing")
    given = parser.parse_args()
    todo = list(splits(given.work))
    with tempfile.TemporaryDirectory() as folder:
        side = subprocess.Popen([given.python, "-W", "ignore", str(SIDE), folder, *ROUTERS.values(), "--", *(str(path) for *_, path in todo)],
                                stdout=subprocess.PIPE, text=True, cwd=folder)
        assert side.stdout is not None
        for line in side.stdout:
            if line.startswith("{"):
                _take(given.work, todo, json.loads(line))
    if side.wait():
        raise SystemExit(f"the peer's side ended with {side.returncode}")


def _take(work: Path, todo: list[tuple[str, int, Path]], told: dict[str, Any]) -> None:
    name, seed, path = todo[told["place"]]
    label = next(label for label, short in ROUTERS.items() if short == told["router"])
    cell = {"set": name, "seed": seed, "method": label, "code": "", "refused": told["error"], "fit": told["fit"], "decide": told["decide"], "calls": 1.0}
    if not told["error"]:
        keep(work, cell, played(path, told["choice"], told["fit"], told["decide"]))
    note(work, cell)
    print(f"{name}/{seed} {label}: fit {told['fit']:.1f} CPU s {told['error']}")


if __name__ == "__main__":
    main()
