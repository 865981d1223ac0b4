"""SLM-MUX: agreement of samples, and the search for members."""

from __future__ import annotations

import asyncio
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import TargetError
from consilience.learn.mux import Samples
from consilience.learn.table import Table
from consilience.method import Scored
from consilience.methods.route.slm_mux import SlmMux
from consilience.model import Price
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Example, Reply, Request
from tests.members import Scripted, down
from tests.methods.questions import split

QUESTION = Request.of("Which?", form="answer", format=Choice(9))


def run(method: SlmMux, *scripts: list[str | None], standing: tuple[float, ...] | None = None) -> Reply:
    members = [Scripted(f"m{i}", script) for i, script in enumerate(scripts)]
    [reply] = asyncio.run(Team(method, members, standing=standing).generate(QUESTION))
    return reply


def test_agreement_of_the_catalogue() -> None:
    reply = run(SlmMux(), ["G", "G", "G", "H", "I"], ["D", "D", "D", "D", "E"])
    assert reply.reading == "D" and reply.note["confidence"] == .8 and reply.usage.calls == 10
    reply = run(SlmMux(), ["G", "G", "G", "?", "?"], ["A", "B", "C", "D", "E"])
    assert reply.note["confidence"] == .6, "unread samples count in the whole"


def test_ties_go_to_the_better_on_dev() -> None:
    assert run(SlmMux(), ["A"], ["B"], standing=(.2, .8)).reading == "B"
    assert run(SlmMux(draws=1), ["A"], ["B"], ["C"], standing=(.1, .2, .9)).reading == "C"
    assert run(SlmMux(draws=1), ["A"], ["B"], ["?"], standing=(.1, .2, .9)).reading == "B"


def test_nobody_sure_is_the_best_members_text() -> None:
    reply = run(SlmMux(), ["hm"], ["well"], standing=(.1, .2))
    assert reply.text == "well" and reply.unread


@pytest.mark.parametrize("draws", [1, 3])
def test_alone_it_is_self_consistency(draws: int) -> None:
    assert run(SlmMux(draws=draws), ["A", "B", "B"]).reading == ("A" if draws == 1 else "B")


def samples(right: list[list[int]], sure: list[list[float]], draws: int = 5) -> Samples:
    """Members that are right in so many samples of each question; what is right in most of them is their answer."""
    scores = [[float(2 * n > draws) for n in line] for line in right]
    examples = [Example(f"q{i}", Request.of(f"question {i}")) for i in range(len(right[0]))]
    asked = [[Scored(Reply("x", cost=1.0, seconds=1.0), s) for s in line] for line in scores]
    return Samples(Table.made(tuple(f"m{m}" for m in range(len(right))), examples, asked), np.array(sure), np.array(right), draws)


def test_the_objective_is_what_is_solved_less_what_is_contradicted() -> None:
    seen = samples([[5, 5, 0, 0], [0, 3, 2, 0]], [[1, 1, .6, .6], [1, .6, .4, .4]])
    assert seen.objective([0], .5, 2) == .5, "a single member contradicts nothing"
    assert seen.objective([0, 1], 0, 2) == .75, "one of four is solved by nobody"
    assert seen.objective([0, 1], .5, 2) == pytest.approx(.75 - .5 / 3), "member 1 is unanimous and wrong on the first"
    assert seen.objective([0, 1], 0, 3) == .5, "two right samples of five are not three"


counts = st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=2, max_size=4)


@given(counts)
def test_without_contradiction_the_search_maximises_what_is_solved(right: list[list[int]]) -> None:
    seen = samples(right, [[1.0] * 4] * len(right))
    found = seen.search(3, 0.0, 2)
    solved = {s: np.mean(np.max(np.array(right)[list(s)], axis=0) >= 2) for n in (2, 3)
              for s in combinations(range(len(right)), n)}
    assert solved[found] == pytest.approx(max(solved.values()))
    trials = seen.play([found])
    assert trials.quality.mean() <= np.max(seen.table.scores[:, list(found)], axis=1).mean() + 1e-12, "no more than the oracle"


def test_many_members_are_searched_by_growing() -> None:
    right = np.zeros((14, 14), int) + np.eye(14, dtype=int) * 5
    seen = samples(right.tolist(), np.full((14, 14), .4).tolist())
    assert len(list(seen.sets(2, 9, 0.0, 2))) == 8 and len(seen.search(9, 0.0, 2)) == 9


def knowing(name: str, known: str, price: float) -> Scripted:
    """Says A, which is right, to what it knows; else another letter each time."""
    return Scripted(name, lambda r, d: "A" if r.question in known else "BCDBC"[d % 5], price=Price(price, price))


DEV = split([(q, "A") for q in "abcdef"])


def test_members_that_complement_each_other_are_found_and_only_they_are_asked() -> None:
    members = [knowing("one", "abc", 1), knowing("same", "abc", 1), knowing("other", "def", 1)]
    team = Team(SlmMux(size=2), members).fit_sync(DEV)
    assert team.method.found().values["chosen"] == [0, 2]
    assert sum(asyncio.run(DEV.evaluate(team))) == 6
    assert team.method.found().values["expected"]["quality"][0] == 1
    [reply] = asyncio.run(team.generate(DEV[0].request))
    assert reply.usage.calls == 10 and {p.model for p in reply.parts} == {"one", "other"}


def test_when_the_chosen_fail_the_others_answer() -> None:
    members = [knowing("one", "abc", 1), knowing("same", "abc", 1), knowing("other", "def", 1)]
    method = Team(SlmMux(size=2), members).fit_sync(DEV).method
    [reply] = asyncio.run(Team(method, [down("one"), knowing("same", "abc", 1), down("other")]).generate(DEV[0].request))
    assert reply.reading == "A" and {a.member for a in reply.absent} == {"one", "other"}


def test_a_target_chooses_the_members() -> None:
    members = [knowing("one", "abcde", 1), knowing("dear", "f", 50)]
    team = Team(SlmMux(min_quality="80%"), members).fit_sync(DEV)
    assert team.method.found().values["chosen"] == [0]
    assert Team(SlmMux(min_quality=1.0), members).fit_sync(DEV).method.found().values["chosen"] == [0, 1]
    with pytest.raises(TargetError, match="nearest"):
        Team(SlmMux(max_cost_per_1k=1e-9), members).fit_sync(DEV)
