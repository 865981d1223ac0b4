"""SLM-MUX: agreement of samples, and the search for members."""

from __future__ import annotations

import asyncio

import pytest

from consilience.errors import TargetError
from consilience.methods.route.slm_mux import SlmMux
from consilience.model import Price
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
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
