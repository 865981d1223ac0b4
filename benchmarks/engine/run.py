"""Speed of the token-level engine, as ratios within one run: `python benchmarks/engine/run.py [--small] [--json FILE]`.

One thread, float32, random weights, seconds of CPU, medians of jobs that take turns. Before anything is timed, greedy
texts must equal those of `generate`.
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from pathlib import Path

import fusion
import generation
import torch
import transformers

HEADS = ("job", "model", "against", "theirs s", "ours s", "ratio", "target")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="tiny sizes: a smoke test, not a measurement")
    parser.add_argument("--only", choices=("generation", "fusion"), help="one half of the comparisons")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lengths", type=int, nargs="+", default=(256, 1024), help="new tokens of the fusion")
    parser.add_argument("--rows", type=int, default=fusion.ROWS, help="texts at once of the fusion against MoCo")
    parser.add_argument("--models", nargs="+", default=("llama0.9", "qwen1.6", "llama3.0"), help="of the generation half")
    parser.add_argument("--no-peer", action="store_true", help="do not install and run MoCo")
    parser.add_argument("--json", type=Path, help="also write the results here")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    repeats = 1 if asked.small else asked.repeats
    results, trouble = [], ""
    if asked.only != "fusion":
        results += generation.compare(asked.models, asked.small, repeats)
    if asked.only != "generation":
        found, trouble = fusion.compare((8,) if asked.small else tuple(asked.lengths), repeats, peer=not asked.no_peer, rows=asked.rows)
        results += found + (fusion.wide(4, 16, 1, "tiny") if asked.small else fusion.wide(32, 256, repeats))
    print(table(results))
    if trouble:
        print(trouble)
    if asked.json:
        facts = {"torch": torch.__version__, "transformers": transformers.__version__, "machine": platform.machine(),
                 "threads": 1, "small": asked.small, "trouble": trouble,
                 "results": [{**asdict(r), "ratio": r.ratio} for r in results]}
        asked.json.write_text(json.dumps(facts, indent=1))


def table(results: list[generation.Result]) -> str:
    """The results in Markdown."""
    lines = ["| " + " | ".join(HEADS) + " |", "| --- | --- | --- | --: | --: | --: | --: |"]
    for r in results:
        target = f"{r.target:.2f}" if r.target else ""
        lines.append(f"| {r.job} | {r.model} | {r.peer} | {r.peer_seconds:.3f} | {r.our_seconds:.3f} | {r.ratio:.2f} | {target} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
