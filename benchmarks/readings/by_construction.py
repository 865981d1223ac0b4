"""Scores of right and of wrong replies, by construction, over every task file of a folder.

    python benchmarks/readings/by_construction.py DATA/tasks [--table FILE]

Prints one line per task: questions, the worst phrasing and its score, the best score of a reply that must score 0.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from phrasings import right, tasks, wrong  # noqa: E402

from consilience.tasks import Task  # noqa: E402


async def measure(task: Task) -> tuple[dict[str, float], dict[str, float], list[tuple[str, str, str]]]:
    """Mean scores by phrasing, mean scores by kind of wrong reply, and what fell short (phrasing, id, reading)."""
    good: dict[str, list[float]] = defaultdict(list)
    bad: dict[str, list[float]] = defaultdict(list)
    short: list[tuple[str, str, str]] = []
    for example in (*task.dev, *task.test):
        format = example.request.format
        assert format is not None
        for found, replies, wanted in ((good, right(example), 1.0), (bad, wrong(example), 0.0)):
            for name, reply in replies:
                reading = format.read(reply)
                score = await format.score(reading, example.references)
                found[name].append(score)
                if score != wanted:
                    short.append((name, example.id, str(reading)))
    mean = [{name: sum(scores) / len(scores) for name, scores in found.items()} for found in (good, bad)]
    return mean[0], mean[1], short


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--short", type=int, default=0, help="show so many replies that fell short, by id")
    options = parser.parse_args()
    print("| task | questions | worst phrasing | score | best of the wrong replies | score |\n|---|--:|---|--:|---|--:|")
    start, replies = time.perf_counter(), 0
    for task in tasks(options.folder):
        good, bad, short = asyncio.run(measure(task))
        n = len(task.dev) + len(task.test)
        replies += n * (len(good) + len(bad))
        low, high = min(good, key=good.__getitem__), max(bad, key=bad.__getitem__)
        print(f"| {task.name} | {n} | `{low}` | {good[low]:.4f} | {high} | {bad[high]:.4f} |", flush=True)
        for line in short[:options.short]:
            print("   ", line)
    print(f"\n{replies} replies in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
