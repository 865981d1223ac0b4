"""RouterDC: experts of kinds of questions."""

from __future__ import annotations

import pytest

from consilience.errors import ConfigError
from consilience.methods.route.routerdc import RouterDC
from consilience.team import Team
from tests.members import Scripted, down
from tests.methods.route.experts import DEV, accuracy, ask, pair

QUICK = RouterDC(steps=100)


def test_the_member_that_is_like_the_question_answers() -> None:
    team = Team(QUICK, pair()).fit_sync(DEV)
    assert accuracy(team) > .9 and accuracy(Team(QUICK, pair()[::-1]).fit_sync(DEV)) > .9
    assert ask(team, "what jam is made of plum").note["route"] == "fruit"


def test_whoever_is_always_right_loses_nothing() -> None:
    members = [*pair(), Scripted("all", ["A"])]
    team = Team(QUICK, members).fit_sync(DEV)
    assert accuracy(team) == 1, "an expert is asked at most where it is right"
    same = Team(QUICK, [Scripted("a", ["A"]), Scripted("b", ["A"])]).fit_sync(DEV)
    assert accuracy(same) == 1, "members that never differ"


def test_expected_scores_are_scores() -> None:
    team = Team(QUICK, pair()).fit_sync(DEV)
    assert ask(team, DEV[0].question).note["expected"] > .8


def test_a_temperature_is_above_zero() -> None:
    with pytest.raises(ConfigError, match="temperature must be above 0"):
        RouterDC(temperature=0.0)


def test_a_failing_member_passes_on() -> None:
    method = Team(QUICK, pair()).fit_sync(DEV).method
    reply = ask(Team(method, [down("fruit"), pair()[1]]), "what jam is made of plum")
    assert reply.note["fallback"] is True and reply.text == "B"
