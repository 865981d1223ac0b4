"""What the house adds to a call: 10,000 questions over an instantaneous model through vote, refine and cascade.

    python benchmarks/overhead/run.py [--questions 10000] [--json result.json]

Store and traces are on, and everything runs on one core. From the process time of the benchmark we take off that of a
bare loop that makes as many calls of the same model, and divide by the number of calls that reached it or were
answered from the store. Memory is the growth of the resident set from 500 questions to the end, per question.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consilience.bench.experiment import Entry, Experiment
from consilience.bench.plan import make_plan
from consilience.bench.runner import run
from consilience.types import Draws, Scope
from run_models import Instant, Questions, questions

METHODS = ("majority-vote", "multiagent-refine", "cascade")
TARGET_MICROSECONDS = 200.0
TARGET_KILOBYTES = 20.0


def resident() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Watch:
    """Notes the resident memory of each method's run, once it is warm and at its end."""

    warm: int
    at: dict[str, tuple[int, int]] = field(default_factory=dict)
    end: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __call__(self, state: Any) -> None:
        if state.stage != "run" or state.done % 100:
            return
        if state.method not in self.at and state.done >= self.warm:
            self.at[state.method] = (state.done, resident())
        self.end[state.method] = (state.done, resident())

    def growth(self) -> dict[str, float]:
        """Bytes per question, by contestant."""
        return {m: (self.end[m][1] - size) / (self.end[m][0] - done) for m, (done, size) in self.at.items()
                if self.end[m][0] > done}


async def bare(models: list[Instant], task: Questions, calls: int) -> float:
    """Process seconds of a bare loop of `calls` calls."""
    started = time.process_time()
    for i in range(calls):
        example = task.test[i % len(task.test)]
        await models[i % len(models)].generate(example.request, Draws(), Scope(example=example.id))
    return time.process_time() - started


def measure(n: int) -> dict[str, Any]:
    """All numbers of one run."""
    pool, task = [Instant("a"), Instant("b"), Instant("c")], questions(n)
    experiment = Experiment("overhead", ("nursery",), ("nursery",), tuple(Entry(m) for m in METHODS), controls=False)
    folder, watch = Path(tempfile.mkdtemp()), Watch(min(500, n // 4))
    spent: dict[str, float] = {}

    def observe(state: Any) -> None:
        watch(state)
        spent[state.method] = time.process_time()

    try:
        plan = make_plan(experiment, pool=pool, tasks=[task])
        first, started = resident(), time.process_time()
        asyncio.run(run(plan, folder, progress=observe))
        taken, grown = time.process_time() - started, max(0, resident() - first)
        with (folder / "results.jsonl").open(encoding="utf-8") as rows:     # not kept: their memory is not the library's
            counts = [json.loads(row)["calls"] for row in rows]
    finally:
        shutil.rmtree(folder)
    calls = sum(counts)
    loop = asyncio.run(bare(pool, task, calls))
    ends = sorted(spent.values())
    growth = watch.growth()
    return {
        "questions": n, "calls": calls, "rows": len(counts), "process_seconds": round(taken, 2),
        "seconds_after_the_last_row": round(started + taken - ends[-1], 2), "bare_loop_seconds": round(loop, 3),
        "microseconds_per_call": round((taken - loop) / calls * 1e6, 1), "ratio_to_bare_loop": round(taken / loop, 1),
        "resident_growth_bytes_per_question": {m: round(g) for m, g in growth.items()},
        "worst_growth_kilobytes_per_question": round(max(growth.values()) / 1000, 2),
        "whole_run_growth_kilobytes_per_question": round(grown / n / 1000, 2),
        "target": {"microseconds_per_call": TARGET_MICROSECONDS, "kilobytes_per_question": TARGET_KILOBYTES},
        "machine": {"python": platform.python_version(), "cores": 1},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = measure(given.questions)
    text = json.dumps(found, indent=1)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
