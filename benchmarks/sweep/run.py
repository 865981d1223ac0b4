"""What a shared store saves: a sweep of all methods with one store, against one store per method.

    python benchmarks/sweep/run.py [--pool nursery] [--limit 100] [--json result.json]

Both sides ask the same members the same questions with the same seed; counted are the tokens that members really
generated, fits included. Without --pool the members are three instantaneous models, so that only counting takes time;
with one, methods that it cannot play are left out on both sides.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from consilience.bench.experiment import Entry, parse
from consilience.bench.plan import Plan, make_plan
from consilience.bench.record import read_record
from consilience.bench.runner import run

sys.path.insert(0, str(Path(__file__).parents[1] / "overhead"))


def plans(pool: str | None, limit: int) -> tuple[Plan, list[Plan]]:
    """One plan with all methods, and one for each method by itself."""
    if pool is None:
        from run_models import Instant, questions

        own: dict[str, Any] = {"pool": [Instant(name) for name in "abc"], "tasks": [questions(limit)]}
    else:
        own = {}
    everything = replace(parse({"pool": pool or "nursery", "tasks": "nursery", "methods": "all", "limit": limit, "dev": 48,
                                "controls": False}), name="sweep")
    whole = make_plan(everything, **own)
    names = [r.name for r in whole.runs if r.contestant.kind == "method"]
    return whole, [make_plan(replace(everything, methods=(Entry(name),)), **own) for name in names]


def generated(folder: Path) -> dict[str, int]:
    """Calls and completion tokens that were really made for a results folder."""
    spent = [one for task in read_record(folder).spent.values() for one in task.values()]
    return {name: sum(one[name] for one in spent) for name in ("calls", "completion_tokens", "prompt_tokens")}


def measure(pool: str | None, limit: int) -> dict[str, Any]:
    """Both sides."""
    whole, single = plans(pool, limit)
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(run(whole, Path(scratch) / "shared"))
        shared = generated(Path(scratch) / "shared")
        apart = {"calls": 0, "completion_tokens": 0, "prompt_tokens": 0}
        for place, plan in enumerate(single):
            asyncio.run(run(plan, Path(scratch) / str(place)))
            apart = {name: n + generated(Path(scratch) / str(place))[name] for name, n in apart.items()}
    return {"pool": pool or "three instantaneous models", "questions": limit,
            "methods": [r.name for r in whole.runs if r.contestant.kind == "method"],
            "left_out": [one.name for one in whole.left_out], "one_store": shared, "one_store_per_method": apart,
            "ratio_of_generated_tokens": round(apart["completion_tokens"] / shared["completion_tokens"], 2),
            "ratio_of_calls": round(apart["calls"] / shared["calls"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    text = json.dumps(measure(given.pool, given.limit), indent=1)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
