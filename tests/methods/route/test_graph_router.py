"""GraphRouter: experts of kinds of questions, labels, the trade-off in the labels."""

from __future__ import annotations

import pytest

from consilience.methods.route.graph_router import GraphRouter
from consilience.model import Price
from consilience.team import Team
from tests.members import Scripted, down
from tests.methods.route.experts import DEV, accuracy, ask, pair, with_skills

QUICK = GraphRouter(steps=100)


@pytest.mark.parametrize("method", [QUICK, GraphRouter(steps=100, label="best")])
def test_the_likeliest_edge_is_the_expert(method: GraphRouter) -> None:
    team = Team(method, pair()).fit_sync(DEV)
    assert accuracy(team) > .9 and accuracy(Team(method, pair()[::-1]).fit_sync(DEV)) > .9
    assert accuracy(Team(method, pair()).fit_sync(with_skills(DEV))) > .9
    assert ask(team, "what jam is made of plum").note["route"] == "fruit"


def test_whoever_is_always_right_loses_nothing() -> None:
    team = Team(QUICK, [*pair(), Scripted("all", ["A"])]).fit_sync(DEV)
    assert accuracy(team) == 1, "an expert is asked at most where it is right"


def test_a_trade_off_of_money_asks_the_cheap() -> None:
    cheap, dear = Scripted("cheap", ["A"], price=Price(1, 1)), Scripted("dear", ["A"], price=Price(90, 90))
    team = Team(GraphRouter(steps=20, tradeoff=4.0), [dear, cheap]).fit_sync(DEV)
    assert ask(team, DEV[0].question).note["route"] == "cheap"


def test_a_failing_member_passes_on() -> None:
    method = Team(QUICK, pair()).fit_sync(DEV).method
    assert ask(Team(method, [down("fruit"), pair()[1]]), "what jam is made of plum").note["fallback"] is True
