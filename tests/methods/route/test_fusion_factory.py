"""FusionFactory's query level: merits within tasks, other routers inside, a judge's scores."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from consilience.errors import ConfigError, TeamError
from consilience.learn.merits import judged, normalised
from consilience.learn.table import Table
from consilience.method import Learned
from consilience.methods.route.fusion_factory import FusionFactory
from consilience.team import Team
from tests.members import Scripted
from tests.methods.questions import split

DEV = split([(f"{'pie' if i % 2 else 'bolt'} number {i}", "A") for i in range(24)])
PAIR = [Scripted("baker", lambda r, d: "A" if "pie" in r.question else "B B B"), Scripted("smith", lambda r, d: "A" if "bolt" in r.question else "B")]


def table(scores: list[list[float]], costs: list[list[float]], groups: tuple[str, ...]) -> Table:
    n = len(scores)
    return Table(("cheap", "dear"), tuple(map(str, range(n))), groups, np.array(scores), np.array(costs), np.ones((n, 2)),
                 np.eye(n, 4, dtype=np.float32))


def test_merits_of_the_catalogue() -> None:
    found, told = normalised(np.array([[.2, .8, .5]]), ["t"])
    assert found.tolist() == [[0, 1, pytest.approx(.5)]] and told.tolist() == [True]
    found, told = normalised(np.array([[.2, .4], [3, 3], [.3, .2]]), ["a", "b", "a"])
    assert found == pytest.approx(np.array([[0, 1], [.5, .5], [.5, 0]])) and told.tolist() == [True, False, True]


def test_cost_first_names_the_cheap_one_and_performance_the_dear_one() -> None:
    given = table([[.5, .7]] * 4 + [[.0, 1.0]], [[.1, .6]] * 4 + [[.0, 1.0]], ("t",) * 5)

    def pick(scenario: str) -> int:
        made = FusionFactory(scenario=scenario, router="elo-router")  # type: ignore[arg-type]
        return int(made.worth(made.learn(given), given.x, given.texts)[0].argmax())
    assert [pick(s) for s in ("performance", "cost")] == [1, 0]


def test_tasks_that_tell_nothing_are_left_out() -> None:
    given = table([[1, 0], [1, 0], [.5, .5], [.5, .5]], [[1, 1]] * 4, ("a", "a", "b", "b"))
    found: Learned = FusionFactory(router="knn-router").learn(given)
    assert len(found.arrays["known"]) == 2
    flat = table([[.5, .5]] * 3, [[1, 1]] * 3, ("a",) * 3)
    assert len(FusionFactory(router="knn-router").learn(flat).arrays["known"]) == 3


@pytest.mark.parametrize("router", ["knn-router", "linear-router", "svm-router", "elo-router"])
def test_any_router_inside(router: str) -> None:
    team = Team(FusionFactory(router=router), PAIR).fit_sync(DEV)
    assert np.mean(asyncio.run(DEV.evaluate(team))) >= (.5 if router == "elo-router" else .9)


def test_a_judge_teaches() -> None:
    judge = Scripted("judge", [""], scores=lambda text: float(len(text)))
    found = asyncio.run(judged(DEV, PAIR, judge))
    assert found.shape == (24, 2) and set(found[0]) == {5.0, 1.0}
    team = Team(FusionFactory(scenario="judge", router="elo-router"), PAIR, judge=judge).fit_sync(DEV)
    assert team.method.found().values["own"]["elo"]["baker"] > 1000, "the judge likes long answers"
    mute = Scripted("mute", [""], scores=lambda text: None)
    assert not asyncio.run(judged(DEV, PAIR, mute)).any()


def test_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match="best-on-dev is no router"):
        FusionFactory(router="best-on-dev")
    with pytest.raises(ConfigError, match="unknown method"):
        FusionFactory(router="knn-ruoter")
    with pytest.raises(TeamError, match="role `judge`"):
        Team(FusionFactory(scenario="judge"), PAIR)
    free = [Scripted(m.name, m.answers, price=None) for m in PAIR]
    with pytest.raises(ConfigError, match="needs the cost"):
        Team(FusionFactory(scenario="cost"), free).fit_sync(DEV)
