"""Prices by rehearsal: no call, the method's own code, and what a run then really takes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from consilience.bench import Entry, Estimate, make_plan, price, run
from consilience.gather import Members, ask_all
from consilience.method import Level, Method
from consilience.types import Reply, Request
from tests.bench.scenes import experiment, pool, quiz


def estimates(*names: str | Entry, store: Path | None = None) -> dict[str, Estimate]:
    members = pool()
    plan = make_plan(replace(experiment(*names), methods=experiment(*names).methods or None), pool=members, tasks=[quiz(48)])
    found = {e.method: e for e in asyncio.run(price(plan, store))}
    assert all(m.asked == [] for m in members), "a rehearsal asks nobody"
    return found


def test_calls_are_a_range_within_the_formula_and_shared_drafts_count_once() -> None:
    found = estimates()
    assert (found["majority-vote"].calls.low, found["majority-vote"].calls.high) == (96, 144)
    refine = found["multiagent-refine"]
    assert (refine.calls.low, refine.calls.high) == (144, 480) and refine.formula_calls == 480
    assert found["cascade"].calls.low < found["cascade"].calls.high <= (found["cascade"].formula_calls or 0)
    assert not any("more calls than its formula" in e.note for e in found.values())
    apart = sum(e.calls.high for name, e in found.items() if name != "total")
    assert found["total"].calls.high < 0.8 * apart
    assert found["dev drafts"].calls.high == 60


def test_a_budget_is_in_the_estimate() -> None:
    plan = make_plan(experiment("majority-vote", "multiagent-refine", budget=300e-6), pool=pool(), tasks=[quiz(48)])
    found = {e.method: e for e in asyncio.run(price(plan))}
    for name in ("majority-vote", "multiagent-refine", "low"):
        cost = found[name].cost
        assert cost is not None and 0 < cost.high <= 48 * 300e-6


def test_a_cost_formula_that_is_too_low_is_told() -> None:
    found = estimates(Entry(f"{__name__}:Twice", label="twice"))
    assert "more calls than its formula allows (48)" in found["twice"].note


@dataclass(frozen=True)
class Twice(Method):
    level: ClassVar = Level.TEXT
    cost: ClassVar = "1"

    async def run(self, request: Request, members: Members) -> Reply:
        return (await ask_all(members, request)).best


def test_lengths_that_the_store_knows_are_used(tmp_path: Path) -> None:
    vote = Entry("majority-vote", {"stop": "never"})
    plan = make_plan(experiment(vote), pool=pool(), tasks=[quiz(48)])
    asyncio.run(run(plan, tmp_path))
    found = estimates(vote, store=tmp_path / "store.sqlite")["majority-vote"]
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    taken = [r for r in rows if r["method"] == "majority-vote"]
    assert found.tokens.high == pytest.approx(sum(r["prompt_tokens"] + r["completion_tokens"] for r in taken), rel=0.02)
    assert found.cost is not None and found.cost.high == pytest.approx(sum(r["cost"] for r in taken), rel=0.02)
