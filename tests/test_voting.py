"""Votes that end when they are decided: the same answer as a vote of all, for fewer calls or less waiting."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.errors import ModelError
from consilience.methods.text.majority_vote import MajorityVote
from consilience.methods.text.self_consistency import SelfConsistency
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request, Scope
from consilience.voting import enough
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))
SAID = st.lists(st.sampled_from(["A", "B", "C", "hm", None]), min_size=1, max_size=7)


def ask(method: MajorityVote | SelfConsistency, members: list[Scripted], standing: list[float] | None = None, live: bool = False) -> Reply:
    return asyncio.run(Team(method, members, standing=standing).generate(QUESTION, scope=Scope(live=live)))[0]


def team(said: list[str | None], **changes: float) -> list[Scripted]:
    return [Scripted(f"m{i}", [x], **changes) for i, x in enumerate(said)]       # type: ignore[arg-type]


@pytest.mark.parametrize(("ahead", "worths", "number"), [
    (0, [1, 1, 1], 2), (0, [1] * 4, 3), (0, [1] * 5, 3), (1, [1, 1], 1), (0, [1], 1), (0, [.9, .3, .3], 1), (2, [1], 1), (0, [0, 0], 2)])
def test_the_fewest_that_could_decide(ahead: float, worths: list[float], number: int) -> None:
    assert enough(ahead, worths) == number


@settings(max_examples=60)
@given(SAID.filter(lambda said: any(said)), st.sampled_from(["equal", "accuracy"]), st.randoms())
def test_stopping_early_changes_no_reading_and_asks_no_more(said: list[str | None], weights: str, chance: object) -> None:
    standing = [chance.randint(1, 9) / 10 for _ in said]       # type: ignore[attr-defined]
    whole = ask(MajorityVote(stop="never", weights=weights), team(said), standing)        # type: ignore[arg-type]
    for stop in ("calls", "time"):
        early = ask(MajorityVote(stop=stop, weights=weights), team(said), standing)       # type: ignore[arg-type]
        assert early.reading == whole.reading and early.usage.calls <= whole.usage.calls and early.seconds <= len(said)
        assert early.usage.calls + early.note.get("unasked", 0) == whole.usage.calls


@settings(max_examples=40)
@given(SAID.filter(lambda said: any(said)))
def test_self_consistency_stops_without_changing_the_answer(said: list[str | None]) -> None:
    whole, early = (ask(SelfConsistency(draws=len(said), stop=stop), [Scripted("m", said)]) for stop in ("never", "lead"))  # type: ignore[arg-type]
    assert early.reading == whole.reading and early.usage.calls <= whole.usage.calls == len(said)


def test_agreement_saves_calls_and_disagreement_costs_what_it_did() -> None:
    assert [ask(MajorityVote(), team(["A"] * n)).usage.calls for n in (1, 2, 3, 4, 5, 7)] == [1, 2, 2, 3, 3, 4]
    assert ask(MajorityVote(), team(["A", "B", "C"])).usage.calls == 3
    assert ask(MajorityVote(draws=2), team(["A"] * 3)).usage.calls == 4
    assert ask(MajorityVote(), team(["A"] * 5)).note["unasked"] == 2
    assert ask(SelfConsistency(draws=5), [Scripted("m", ["A"])]).usage.calls == 3
    assert ask(SelfConsistency(draws=40, stop="beta"), [Scripted("m", ["A"])]).usage.calls == 4


def test_who_fails_early_is_absent_and_the_others_are_asked() -> None:
    reply = ask(MajorityVote(), [Scripted("x", [ModelError("gone", reason="down")]), *team(["B", "B"])])
    assert reply.reading == "B" and reply.usage.calls == 2 and [a.member for a in reply.absent] == ["x"]


def test_the_slow_are_not_waited_for_on_recorded_seconds() -> None:
    members = [Scripted("slow", ["B"], seconds=60), Scripted("x", ["A"], seconds=2), Scripted("y", ["A"], seconds=3)]
    reply = ask(MajorityVote(stop="time"), members)
    assert (reply.reading, reply.seconds, reply.usage.calls) == ("A", 3.0, 3), "it was asked, and is paid for"
    assert [(a.member, a.reason) for a in reply.absent] == [("slow", "decided")]
    assert ask(MajorityVote(stop="never"), members).seconds == 60


def test_the_slow_are_cancelled_while_somebody_waits() -> None:
    slow = Scripted("slow", ["B"], delay=30.0)
    begun = time.monotonic()
    reply = ask(MajorityVote(stop="time"), [slow, *team(["A", "A"])], live=True)
    assert reply.reading == "A" and time.monotonic() - begun < 10 and not slow.asked
    assert [(a.member, a.reason) for a in reply.absent] == [("slow", "decided")] and reply.usage.calls == 2
