"""What a shared store saves: a sweep of all methods with one store, against one store per method.

    python benchmarks/sweep/run.py [--pool nursery] [--methods text] [--limit 100] [--json result.json]

Both sides ask the same members the same questions with the same seed; counted are the tokens that members really
generated, fits included. Without --pool the members are three instantaneous models, so that only counting takes time;
with one, methods that it cannot play are left out on both sides. `--methods text` takes a fixed list of text methods.
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


SHAPES = ("chain", "star", "complete")
LISTS: dict[str, Any] = {"all": "all", "text": [
    "majority-vote", "self-consistency", "multiagent-refine", "multiagent-feedback", "multiagent-debate", "llm-blender",
    "mixture-of-agents", "fusion-of-n", "reconcile",
    *({"structured-interaction": {"structure": shape, "as": f"structured-interaction, {shape}"}} for shape in SHAPES)]}


def plans(pool: str | None, limit: int, dev: int, methods: str) -> tuple[Plan, list[Plan]]:
    """One plan with all methods, and one for each method by itself."""
    if pool is None:
        from run_models import Instant, questions

        own: dict[str, Any] = {"pool": [Instant(name) for name in "abc"], "tasks": [questions(limit)]}
    else:
        own = {}
    everything = replace(parse({"pool": pool or "nursery", "tasks": "nursery", "methods": LISTS[methods], "limit": limit,
                                "dev": dev, "controls": False}), name="sweep")
    whole = make_plan(everything, **own)
    named = everything.methods or [Entry(r.name) for r in whole.runs if r.contestant.kind == "method"]
    return whole, [make_plan(replace(everything, methods=(entry,)), **own) for entry in named]


def generated(folder: Path, plan: Plan) -> dict[str, int]:
    """Calls and completion tokens that were really made for a results folder, but for models that play in no team."""
    asyncio.run(run(plan, folder))
    beside = {r.name for r in plan.runs if r.contestant.beside}
    spent = [one for task in read_record(folder).spent.values() for name, one in task.items() if name not in beside]
    return {name: sum(one[name] for one in spent) for name in ("calls", "completion_tokens", "prompt_tokens")}


def measure(pool: str | None, limit: int, dev: int, methods: str) -> dict[str, Any]:
    """Both sides."""
    whole, single = plans(pool, limit, dev, methods)
    with tempfile.TemporaryDirectory() as scratch:
        shared = generated(Path(scratch) / "shared", whole)
        each = [generated(Path(scratch) / str(place), plan) for place, plan in enumerate(single)]
        apart = {name: sum(one[name] for one in each) for name in shared}
    return {"pool": pool or "three instantaneous models", "questions": limit, "dev_questions": dev,
            "methods": [r.name for r in whole.runs if r.contestant.kind == "method"],
            "left_out": [one.name for one in whole.left_out], "one_store": shared, "one_store_per_method": apart,
            "ratio_of_generated_tokens": round(apart["completion_tokens"] / shared["completion_tokens"], 2),
            "ratio_of_calls": round(apart["calls"] / shared["calls"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool")
    parser.add_argument("--methods", choices=LISTS, default="all")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--dev", type=int, default=48)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    text = json.dumps(measure(given.pool, given.limit, given.dev, given.methods), indent=1)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
