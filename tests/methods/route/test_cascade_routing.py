"""Cascade routing: after every answer, whom to ask next is decided anew."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from consilience.errors import TargetError, TeamError
from consilience.learn.table import Table
from consilience.learn.wayfinding import MOST, planned_cost, pool
from consilience.method import Scored
from consilience.methods.route.cascade_routing import CascadeRouting
from consilience.model import Price
from consilience.reading import Choice
from consilience.saved import read_learned, write_learned
from consilience.team import Team
from consilience.types import Example, Reply, Request
from tests.members import Answer, Scripted, down
from tests.methods.questions import split

CHEAP, MIDDLE, DEAR = Price(1, 1), Price(4, 4), Price(30, 30)
WORDS = ["apple", "berry", "cedar", "daisy", "elder", "fern", "grape", "hazel", "iris", "jade", "kale", "lily", "mint", "nut", "oak", "pear", "quince", "rose", "sage", "thyme"]
DEV = split([(f"{word} {kind}", "A") for word in WORDS for kind in ("sum", "law", "riddle")])


def knowing(name: str, kinds: str, price: Price | None, hint: bool = False) -> Scripted:
    """Right on questions of these kinds; with `hint`, its words tell whether it is right."""
    def answer(request: Request, draw: int) -> Answer:
        right = request.question.split()[-1] in kinds
        word = ("Certainly. " if right else "Perhaps. ") if hint else ""
        return f"{word}The answer is {'A' if right else 'B'}."
    return Scripted(name, answer, price=price)


def members() -> list[Scripted]:
    return [knowing("cheap", "sum", CHEAP), knowing("law", "sum law", MIDDLE), knowing("dear", "sum law riddle", DEAR)]


def ask(team: Team, question: str) -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=Choice(4))))[0]


def test_it_goes_straight_to_whoever_is_foreseen_to_know() -> None:
    team = Team(CascadeRouting(), members()).fit_sync(DEV)
    assert team.method.found().values["expected"]["quality"][0] > .9
    routes = [ask(team, f"walnut {kind}") for kind in ("sum", "law", "riddle")]
    assert [r.reading for r in routes] == ["A"] * 3
    assert [r.note["route"] for r in routes] == ["cheap", "law", "dear"] and [r.usage.calls for r in routes] == [1, 1, 1]


def test_what_an_answer_looks_like_decides_whether_another_is_asked() -> None:
    """The question tells nothing; the cheap member's words do."""
    known = set(WORDS[::2])
    def answer(request: Request, draw: int) -> Answer:
        return "Certainly. The answer is A." if request.question in known else "Perhaps. The answer is B."
    dev = split([(word, "A") for word in WORDS])
    team = Team(CascadeRouting(max_cost_per_1k=.3), [Scripted("cheap", answer, price=CHEAP), knowing("dear", " ".join(WORDS), DEAR)]).fit_sync(dev)
    replies = [asyncio.run(team.generate(e.request))[0] for e in dev]
    assert [r.usage.calls for r in replies] == [1 if w in known else 2 for w in WORDS]
    assert all(r.reading == "A" for r in replies)


def test_a_budget_is_kept_and_more_money_never_gives_less() -> None:
    quality = []
    for limit in (.05, .2, 1.0):
        found = Team(CascadeRouting(max_cost_per_1k=limit), members()).fit_sync(DEV).method.found().values["expected"]
        quality.append(found["quality"][0])
        assert found["cost_per_1k"][0] <= limit * 1.3
    assert quality == sorted(quality) and quality[0] < quality[-1]
    with pytest.raises(TargetError, match="nearest"):
        Team(CascadeRouting(max_cost_per_1k=1e-6), members()).fit_sync(DEV)


def test_failures_are_passed_by() -> None:
    method = Team(CascadeRouting(), members()).fit_sync(DEV).method
    cheap, law, dear = members()
    reply = ask(Team(method, [down("cheap"), law, dear]), "walnut sum")
    assert reply.reading == "A" and [a.member for a in reply.absent] == ["cheap"]
    reply = ask(Team(method, [Scripted("cheap", ["hm"]), law, dear]), "walnut sum")
    assert reply.reading == "A" and not reply.unread
    with pytest.raises(TeamError, match="was fitted for the members cheap, law, dear"):
        Team(method, [law, cheap, dear])


def test_recorded_scores_without_texts_and_members_without_prices() -> None:
    def scored(name: str, kinds: str) -> Scripted:
        return Scripted(name, lambda r, d: Reply(None, model=name, score=float(r.question.split()[-1] in kinds)), price=None)
    team = Team(CascadeRouting(), [scored("a", "sum"), scored("b", "law riddle")])
    dev = [e.request for e in DEV]
    fitted = team.fit_sync(DEV)
    replies = [asyncio.run(fitted.generate(r))[0] for r in dev]
    assert np.mean([r.score or 0 for r in replies]) > .9 and fitted.method.found().values["expected"]["cost_per_1k"] is None


def test_token_probabilities_as_evidence_and_saving(tmp_path: Any) -> None:
    sure = knowing("cheap", "sum", CHEAP)
    sure.logprob = -.1
    dear = knowing("dear", "sum law riddle", DEAR)
    dear.logprob = -.2
    team = Team(CascadeRouting(evidence="mean"), [sure, dear]).fit_sync(DEV)
    assert "judge.weights" not in team.method.found().arrays
    write_learned(team.method.found(), tmp_path)
    found = read_learned(tmp_path)
    assert found is not None and found.digest == team.method.found().digest
    assert ask(team, "walnut law").reading == "A"


def test_alone() -> None:
    team = Team(CascadeRouting(), members()[:1]).fit_sync(DEV)
    assert ask(team, "walnut sum").usage.calls == 1


def test_of_many_members_the_useful_are_planned_with() -> None:
    rng = np.random.default_rng(0)
    score = (rng.random((12, 40)) < np.linspace(.1, .9, 12)[:, None]).astype(float)
    asked = [[Scored(Reply("x", cost=float(m + 1)), s) for s in line] for m, line in enumerate(score)]
    table = Table.made(tuple(f"m{m}" for m in range(12)), [Example(f"q{i:02}", Request.of(f"q {i}")) for i in range(40)], asked)
    found = pool(table)
    assert len(found) == MOST and table.best in found and found == sorted(found)
    assert planned_cost(table)[:2] == [1, 2] and len(pool(table.among(np.arange(1)))) == MOST
