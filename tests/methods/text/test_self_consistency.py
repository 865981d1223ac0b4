"""Self-consistency: plurality of one member's samples, early stops, weights."""

from __future__ import annotations

import asyncio
from itertools import product
from math import log, prod

import pytest

from consilience.errors import TeamError
from consilience.methods.text.self_consistency import SelfConsistency, leading
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request, Token
from tests.members import Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(5))


def ask(method: SelfConsistency, *members: Scripted, standing: tuple[float, ...] | None = None) -> Reply:
    [reply] = asyncio.run(Team(method, members, standing=standing).generate(QUESTION))
    return reply


def test_plurality_of_samples() -> None:
    assert ask(SelfConsistency(draws=3), Scripted("a", ["C", "C", "E"])).reading == "C"
    assert ask(SelfConsistency(draws=1), Scripted("a", ["B", "C"])).reading == "B"
    assert ask(SelfConsistency(draws=2), Scripted("a", ["B", "C"])).reading == "B", "ties go to the first sampled"


def test_unread_samples_abstain() -> None:
    reply = ask(SelfConsistency(draws=3), Scripted("a", ["?", "?", "C"]))
    assert reply.reading == "C" and reply.usage.calls == 3


@pytest.mark.parametrize(("stop", "draws", "samples"), [("lead", 10, 6), ("beta", 40, 4), ("never", 10, 10)])
def test_a_unanimous_stream_stops(stop: str, draws: int, samples: int) -> None:
    reply = ask(SelfConsistency(draws=draws, stop=stop), Scripted("a", ["A"]))  # type: ignore[arg-type]
    assert reply.usage.calls == samples == reply.note["samples"]


def test_abstentions_count_towards_the_cap_only() -> None:
    reply = ask(SelfConsistency(draws=6, stop="beta"), Scripted("a", ["A", "?", "A", "?", "A", "?"]))
    assert reply.usage.calls == 6 and reply.note["votes"] == {"A": 3}


@pytest.mark.parametrize(("a", "b", "p"), [(3, 0, .9375), (4, 0, .96875), (5, 1, .9375), (6, 1, .9648), (8, 2, .9673)])
def test_beta_rule(a: int, b: int, p: float) -> None:
    assert leading(a, b) == pytest.approx(p, abs=5e-5)


@pytest.mark.parametrize(("k", "accuracy"), [(1, .6), (3, .696), (5, .769), (7, .8312)])
def test_accuracy_by_enumeration(k: int, accuracy: float) -> None:
    """Answers A .6 (right), B .2, C .2; ties go to the first sampled."""
    chance = {"A": .6, "B": .2, "C": .2}

    async def right(drawn: tuple[str, ...]) -> bool:
        [reply] = await Team(SelfConsistency(draws=k), [Scripted("a", drawn)]).generate(QUESTION)
        return reply.reading == "A"

    async def total() -> float:
        return sum([prod(chance[x] for x in drawn) * await right(drawn) for drawn in product("ABC", repeat=k)])
    assert asyncio.run(total()) == pytest.approx(accuracy, abs=5e-4)


def test_the_best_on_dev_is_sampled_and_the_next_when_it_is_down() -> None:
    a, b = Scripted("a", ["A"]), Scripted("b", ["B"])
    assert ask(SelfConsistency(), a, b, standing=(.2, .9)).reading == "B"
    reply = ask(SelfConsistency(), down("x"), b, standing=(.9, .2))
    assert reply.reading == "B" and reply.absent[0].member == "x"


def said(text: str, p: float) -> Reply:
    return Reply(text, tokens=(Token(text, log(p)),))


def test_weights_by_likelihood() -> None:
    sampled = [said("A", .9), said("B", .3), said("B", .3)]
    assert ask(SelfConsistency(draws=3, weights="likelihood"), Scripted("a", sampled)).reading == "A"
    assert ask(SelfConsistency(draws=3), Scripted("a", sampled)).reading == "B"
    with pytest.raises(TeamError, match="log-probabilities"):
        ask(SelfConsistency(weights="likelihood"), Scripted("a", ["A"]))


def test_the_beta_rule_asks_at_least_once() -> None:
    assert ask(SelfConsistency(draws=5, stop="beta", confidence=.3), Scripted("a", ["A"])).usage.calls == 1


def test_a_greedy_member_is_asked_once() -> None:
    one = Scripted("a", ["A"])
    [reply] = asyncio.run(Team(SelfConsistency(draws=4, stop="never"), [one]).generate(QUESTION.sampled(temperature=0.0)))
    assert reply.usage.calls == 1 and reply.note["votes"] == {"A": 4}
