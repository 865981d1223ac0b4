"""AutoMix: checks of one's own answer, and what is made of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consilience.errors import TargetError
from consilience.methods.route.automix import AutoMix
from consilience.model import Price
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down
from tests.methods.questions import split

CHEAP, DEAR = Price(1, 1), Price(50, 50)
DEV = split([(f"{kind} {i}", "A") for kind in ("known", "unknown", "riddle") for i in range(8)])


def small(name: str = "small", price: Price | None = CHEAP) -> Scripted:
    """Right about what is known, and doubtful (2 of 8) where it is not; riddles beat everybody."""
    def answer(request: Request, draw: int) -> Answer:
        known = request.question.startswith("known")
        if request.form == "check":
            return "yes" if known or draw < 2 else "no"
        return "A" if known else "B"
    return Scripted(name, answer, price=price)


def large(price: Price | None = DEAR) -> Scripted:
    return Scripted("large", lambda r, d: "B" if r.question.startswith("riddle") else "A", price=price)


def ask(team: Team, question: str) -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=Choice(4))))[0]


def test_answers_that_their_own_member_doubts_go_to_the_large_one() -> None:
    team = Team(AutoMix(), [large(), small()]).fit_sync(DEV)
    found = team.method.found().values
    assert found["rungs"] == [1, 0] and found["expected"]["quality"][0] == pytest.approx(2 / 3)
    kept, passed = ask(team, "known 9"), ask(team, "unknown 9")
    assert kept.note == {"rung": "small", "confidence": 1.0} and kept.usage.calls == 9 and kept.reading == "A"
    assert passed.note["rung"] == "large" and passed.usage.calls == 10 and passed.reading == "A"
    checks = [p for p in kept.parts if p.asked == "check"]
    assert len(checks) == 8 and not any(p.asked == "check" and p.model == "large" for p in passed.parts)


def test_checks_are_sampled_at_temperature_one() -> None:
    member = small()
    asyncio.run(AutoMix(draws=3).tries(*_bound(member)))
    asked = [r for r in member.asked if r.form == "check"]
    assert len(asked) == 3 and {r.sampling.temperature for r in asked} == {1.0}


def _bound(member: Scripted) -> tuple[Request, Any, Any]:
    from consilience.gather import Run
    members = Team(AutoMix(), [member])._bind(Run())
    return Request.of("known 1", form="answer", format=Choice(4)), members[0], members


def test_no_answer_is_not_checked_but_passed_on() -> None:
    method = Team(AutoMix(), [small(), large()]).fit_sync(DEV).method
    mute = Scripted("small", [""], price=CHEAP)
    reply = ask(Team(method, [mute, large()]), "known 1")
    assert reply.reading == "A" and [r.form for r in mute.asked] == ["answer"]
    reply = ask(Team(method, [small(), down("large")]), "unknown 1")
    assert reply.reading == "B" and reply.note["fallback"] == "last ask failed"


def test_a_target_may_leave_out_the_checks() -> None:
    cheap = Team(AutoMix(max_cost_per_1k=.02), [small(), large()]).fit_sync(DEV).method.found().values
    assert cheap["rungs"] == [0], "the small member alone is all that this buys"
    best = Team(AutoMix(min_quality="100% of best"), [small(), large()]).fit_sync(DEV).method.found().values
    assert best["rungs"] == [0, 1] and best["expected"]["quality"][0] == pytest.approx(2 / 3)
    with pytest.raises(TargetError, match="nearest"):
        Team(AutoMix(min_quality=.9), [small(), large()]).fit_sync(DEV)


def test_without_prices_the_best_dev_score_counts() -> None:
    found = Team(AutoMix(), [small(price=None), large(None)]).fit_sync(DEV).method.found().values
    assert found["rungs"] == [0, 1] and found["expected"]["quality"][0] == pytest.approx(2 / 3)
    assert found["expected"]["cost_per_1k"] is None


def test_a_large_member_that_is_no_better_is_never_called() -> None:
    same = Scripted("large", lambda r, d: small().answers(r, d), price=DEAR)  # type: ignore[operator]
    team = Team(AutoMix(), [small(), same]).fit_sync(DEV)
    assert ask(team, "unknown 3").usage.calls == 9


def test_alone() -> None:
    team = Team(AutoMix(), [small()]).fit_sync(DEV)
    assert ask(team, "unknown 3").usage.calls == 1
