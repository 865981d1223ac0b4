"""Verifier fallback: who is good enough is decided by a verifier's score."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import ModelError, TeamError
from consilience.methods.route.verifier_fallback import VerifierFallback, squeezed
from consilience.model import Price
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted
from tests.methods.questions import split

DEV = split([(q, "A") for q in "abcdef"])
SMALL = Scripted("small", lambda r, d: "A" if r.question in "abc" else "B", price=Price(1, 1))
LARGE = Scripted("large", ["A"], price=Price(9, 9))


def verifier(right: float | None = 7.5, wrong: float | None = -2.0) -> Scripted:
    return Scripted("verifier", [""], scores=lambda text: right if text == "A" else wrong)


def ask(team: Team, question: str) -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=Choice(4))))[0]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_scores_keep_their_order(a: float, b: float) -> None:
    assert 0 < squeezed(a) < 1 and (a - b < 1e-3 or squeezed(a) > squeezed(b) or abs(a) > 1e4)


def test_the_score_from_which_on_an_answer_is_taken_is_learned() -> None:
    team = Team(VerifierFallback(), [LARGE, SMALL], verifier=verifier()).fit_sync(DEV)
    kept, passed = ask(team, "a"), ask(team, "f")
    assert kept.note["rung"] == "small" and kept.note["score"] == 7.5 and kept.usage.calls == 2
    assert passed.note["rung"] == "large" and passed.reading == "A" and passed.usage.calls == 3


def test_a_given_threshold_needs_no_dev() -> None:
    members = [SMALL, LARGE]
    assert ask(Team(VerifierFallback(threshold=0.0), members, verifier=verifier()), "a").note["rung"] == "small"
    assert ask(Team(VerifierFallback(threshold=0.0), members, verifier=verifier()), "f").note["rung"] == "large"
    assert ask(Team(VerifierFallback(threshold=7.5), members, verifier=verifier()), "a").note["rung"] == "small"
    assert ask(Team(VerifierFallback(threshold=7.6), members, verifier=verifier()), "a").note["rung"] == "large"
    with pytest.raises(TeamError, match="fit"):
        ask(Team(VerifierFallback(), members, verifier=verifier()), "a")


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_without_a_score_the_question_is_passed_on(nothing: float | None) -> None:
    team = Team(VerifierFallback(threshold=-100.0), [SMALL, LARGE], verifier=verifier(nothing, nothing))
    assert ask(team, "a").note["rung"] == "large"


def test_a_verifier_that_fails_is_absent() -> None:
    class Broken(Scripted):
        async def verify(self, request: Request, answers: object) -> object:  # type: ignore[override]
            raise ModelError("gone", reason="down")
    broken = Broken("verifier", [""], scores=lambda text: 1.0)
    reply = ask(Team(VerifierFallback(threshold=0.0), [SMALL, LARGE], verifier=broken), "a")
    assert reply.reading == "A" and [a.member for a in reply.absent] == ["verifier"]
