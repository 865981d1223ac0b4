"""FrugalGPT: a scorer of answers, and the joint search of list and thresholds."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from consilience.errors import ConfigError, TargetError
from consilience.learn.ladder import Did, Ladder, above
from consilience.methods.route.frugal_gpt import FrugalGPT
from consilience.model import Price
from consilience.reading import Choice
from consilience.saved import read_learned, write_learned
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down
from tests.methods.questions import split

CHEAP, DEAR = Price(1, 1), Price(30, 30)
WORDS = ["apple", "berry", "cedar", "daisy", "elder", "fern", "grape", "hazel", "iris", "jade", "kale", "lily", "mint", "nut", "oak", "pear", "quince", "rose", "sage", "thyme"]
DEV = split([(f"{word} {kind}", "A") for word in WORDS for kind in ("sum", "law")])


def knowing(name: str, kind: str, price: Price) -> Scripted:
    """Sure in words of what it knows, and halting where it is wrong."""
    def answer(request: Request, draw: int) -> Answer:
        return "Certainly. The answer is A." if kind in request.question else "Perhaps. The answer is B."
    return Scripted(name, answer, price=price)


def fitted(*members: Any, **options: Any) -> Team:
    return Team(FrugalGPT(**options), members).fit_sync(DEV)


def ask(team: Team, question: str) -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=Choice(4))))[0]


def test_the_scorer_tells_right_answers_by_how_they_look() -> None:
    cheap, dear = knowing("cheap", "sum", CHEAP), knowing("dear", "", DEAR)
    team = fitted(cheap, dear)
    found = team.method.found()
    assert found.values["rungs"] == [0, 1] and found.values["expected"]["quality"][0] > .9
    known, passed = ask(team, "walnut sum"), ask(team, "walnut law")
    assert known.note["rung"] == "cheap" and known.usage.calls == 1 and 0 < known.note["confidence"] < 1
    assert passed.note["rung"] == "dear" and passed.reading == "A" and passed.usage.calls == 2
    assert passed.cost is not None and known.cost is not None and passed.cost > known.cost


def test_a_budget_gives_the_best_score_that_it_buys_and_more_never_less() -> None:
    members = [knowing("cheap", "sum", CHEAP), knowing("dear", "", DEAR)]
    scores, limits = [], [.05, .6, 2.0]
    for limit in limits:
        expected = fitted(*members, max_cost_per_1k=limit)
        team = asyncio.run(DEV.replies([expected]))[0]
        cost = 1000 * float(np.mean([s.reply.cost for s in team if s.reply]))
        assert cost <= limit * 1.0001
        scores.append(sum(s.score for s in team) / len(team))
    assert scores == sorted(scores) and scores[0] == .5 and scores[-1] == 1


def test_a_budget_below_the_cheapest_member_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(TargetError, match=r"max_cost_per_1k 1e-05.*nearest.*per 1,000"):
        fitted(knowing("cheap", "sum", CHEAP), knowing("dear", "", DEAR), max_cost_per_1k=1e-5)


def test_a_target_about_money_needs_prices() -> None:
    with pytest.raises(ConfigError, match="free.*unknown"):
        fitted(Scripted("free", ["A"], price=None), knowing("dear", "", DEAR), max_cost_per_1k=1)


def test_members_that_never_differ_and_answers_that_are_always_right() -> None:
    team = fitted(Scripted("cheap", ["A"], price=CHEAP), Scripted("dear", ["A"], price=DEAR))
    assert team.method.found().values["rungs"] == [0], "one class to learn from, and the cheap member is enough"
    assert ask(team, "walnut sum").usage.calls == 1


def test_when_the_only_member_of_the_list_fails_another_answers() -> None:
    method = fitted(Scripted("cheap", ["A"], price=CHEAP), Scripted("dear", ["A"], price=DEAR)).method
    reply = ask(Team(method, [down("cheap"), Scripted("dear", ["A"], price=DEAR)]), "walnut sum")
    assert reply.reading == "A" and reply.note["fallback"] is True


def test_it_is_saved_and_loaded(tmp_path: Any) -> None:
    team = fitted(knowing("cheap", "sum", CHEAP), knowing("dear", "", DEAR))
    write_learned(team.method.found(), tmp_path)
    again = read_learned(tmp_path)
    assert again is not None and again.digest == team.method.found().digest


def test_a_perfect_scorer_reaches_all_that_anybody_of_the_list_knows() -> None:
    score = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], float)
    did = Did(score, np.ones((3, 4)), np.ones((3, 4)))
    seen = Ladder(did, did, score, np.ones((3, 4), bool), tuple(np.stack([above(s, .5)]) for s in score))
    quality, cost, _ = seen.play((0, 1, 2), np.array([[0, 0]]))
    assert quality.sum() == 3 and list(cost[0]) == [1, 2, 3, 3]


def test_scores_strictly_inside_give_the_first_at_0_and_the_last_at_1() -> None:
    sure = np.array([[.3, .9], [.5, .5]])
    did = Did(np.eye(2), np.array([[1.0, 1], [5, 5]]), np.ones((2, 2)))
    seen = Ladder(did, did, sure, np.ones((2, 2), bool), tuple(np.stack([above(s, 0.0), above(s, 1.0)]) for s in sure))
    quality, cost, _ = seen.play((0, 1), np.array([[0], [1]]))
    assert cost.tolist() == [[1, 1], [6, 6]] and quality.tolist() == [[1, 0], [0, 1]]


def test_of_many_members_those_of_the_best_pairs_are_searched() -> None:
    rng = np.random.default_rng(0)
    score = (rng.random((9, 60)) < np.linspace(.2, .9, 9)[:, None]).astype(float)
    did = Did(score, np.repeat(np.arange(1.0, 10)[:, None], 60, 1), np.ones((9, 60)))
    sure = .5 * score + .4 * rng.random((9, 60))
    seen = Ladder(did, did, sure, np.ones((9, 60), bool), tuple(np.stack([above(s, c) for c in (.1, .5, 2)]) for s in sure))
    lists = FrugalGPT().lists(seen, list(range(9)))
    assert len({m for order in lists for m in order}) == 6 and max(map(len, lists)) == 3


def test_an_unknown_embedding_is_refused() -> None:
    with pytest.raises(ConfigError, match="no embedding 'glove'"):
        FrugalGPT(embedding="glove")
