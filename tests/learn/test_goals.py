"""What a user wants, in words, and the setting that gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.errors import ConfigError, TargetError
from consilience.gather import Members
from consilience.learn.goals import Aimed, Trials, costs_known, least_quality
from consilience.method import Last, Level
from consilience.types import Request


@dataclass(frozen=True)
class Wish(Aimed):
    """A method that only has wishes."""

    level: ClassVar = Level.ROUTE

    async def run(self, request: Request, members: Members) -> Last:
        return Last(members[0], request)


QUESTIONS = 40
TRIALS = Trials(np.repeat([[.5], [.7], [.78], [.8]], QUESTIONS, axis=1),
                np.repeat([[.001], [.002], [.004], [.01]], QUESTIONS, axis=1),
                np.repeat([[1.0], [1.0], [2.0], [5.0]], QUESTIONS, axis=1), np.full(QUESTIONS, .8))
"""Four settings: dearer is better and slower; the best single member has .8."""


@pytest.mark.parametrize("wish, setting", [
    ({}, 3), ({"max_cost_per_1k": 4}, 2), ({"max_cost_per_1k": 3.99}, 1), ({"min_quality": "95% of best"}, 2),
    ({"min_quality": "97.5% of best"}, 2), ({"min_quality": "98% of best"}, 3), ({"min_quality": "70%"}, 1), ({"min_quality": .5}, 0),
    ({"max_latency": 2}, 2), ({"max_latency": 1.5}, 1), ({"tradeoff": 0.0}, 3), ({"tradeoff": 0.02}, 2), ({"tradeoff": 1.0}, 0),
    ({"max_cost_per_1k": 4, "min_quality": "60%"}, 1), ({"tradeoff": 0.001, "max_latency": 2}, 2),
])
def test_the_setting_that_was_wished(wish: dict[str, Any], setting: int) -> None:
    settled = Wish(**wish).settle(TRIALS)
    assert settled.setting == setting
    assert settled.expected["quality"][0] == pytest.approx(TRIALS.quality[setting, 0])
    assert settled.expected["cost_per_1k"] == pytest.approx([1000 * TRIALS.cost[setting, 0]] * 3)
    assert settled.expected["latency"] == TRIALS.seconds[setting, 0] and settled.expected["questions"] == QUESTIONS
    assert settled.expected["gain"][0] == pytest.approx(TRIALS.quality[setting, 0] - .8)


@pytest.mark.parametrize("wish, told", [
    ({"max_cost_per_1k": .5}, r"max_cost_per_1k 0.5 .*nearest has a mean score of 0.500 at \$1 per 1,000 questions, 1 s"),
    ({"min_quality": "101% of best"}, r"min_quality 101% of best \(a mean score of 0.808.*0.800\).*nearest has .* 0.800 at \$10"),
    ({"max_latency": .5}, r"max_latency 0.5 s .*nearest has .* 1 s"),
    ({"max_latency": 1, "min_quality": "80%"}, "max_latency 1 s and min_quality 80%"),
])
def test_a_target_out_of_reach_names_the_nearest(wish: dict[str, Any], told: str) -> None:
    with pytest.raises(TargetError, match=told):
        Wish(**wish).settle(TRIALS)


def test_an_unknown_cost_is_said() -> None:
    unknown = Trials(TRIALS.quality, TRIALS.cost * np.nan, TRIALS.seconds, TRIALS.best)
    assert Wish().settle(unknown).setting == 3 and Wish().settle(unknown).expected["cost_per_1k"] is None
    with pytest.raises(TargetError, match="at an unknown cost"):
        Wish(max_latency=.1).settle(unknown)


def test_least_quality() -> None:
    assert least_quality("95% of best", .8) == pytest.approx(.76) and least_quality("0.9 of best", .5) == pytest.approx(.45)
    assert least_quality(" 80 % ", .1) == least_quality("0.8", .1) == least_quality(.8, .1) == pytest.approx(.8)
    for wrong in ("most", "-5%", "of best", "95 of the best", "1.2", "101%", 1.2, -.1):
        with pytest.raises(ConfigError, match="min_quality"):
            Wish(min_quality=wrong)


@pytest.mark.parametrize("wish", [{"max_cost_per_1k": -1}, {"max_latency": float("nan")}, {"tradeoff": float("inf")}])
def test_wishes_that_are_no_numbers(wish: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be a number from 0"):
        Wish(**wish)


def test_two_wishes_that_cannot_both_be_had() -> None:
    with pytest.raises(ConfigError, match="state one of them"):
        Wish(min_quality="80%", tradeoff=1)


def test_unknown_prices_are_named_where_money_counts() -> None:
    costs = np.array([[1.0, np.nan, 2.0]])
    costs_known(Wish(max_latency=1), costs, ("a", "b", "c"))
    with pytest.raises(ConfigError, match="the cost of b is unknown; give a price"):
        costs_known(Wish(max_cost_per_1k=1), costs, ("a", "b", "c"))


def test_one_question_has_a_wide_interval_and_many_alike_a_narrow_one() -> None:
    one = Wish().settle(Trials(np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)), np.ones(1))).expected
    many = Wish().settle(Trials(np.ones((1, 400)), np.ones((1, 400)), np.ones((1, 400)), np.ones(400))).expected
    assert one["quality"] == [1.0, 0.0, 1.0] and one["cost_per_1k"] == [1000.0] * 3
    assert .98 < many["quality"][1] < 1 == many["quality"][2]


def test_ties_go_to_the_cheaper_then_to_the_better() -> None:
    flat = np.full((3, 4), .5)
    assert Wish().settle(Trials(flat, np.repeat([[2.0], [1.0], [3.0]], 4, axis=1), flat, flat[0])).setting == 1


@st.composite
def trials(draw: st.DrawFn) -> Trials:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    return Trials(rng.integers(0, 3, shape) / 2, rng.random(shape), rng.random(shape), rng.random(shape[1]))


@settings(max_examples=100)
@given(trials(), st.lists(st.floats(0, 1500), min_size=2, max_size=5))
def test_more_money_never_lowers_the_score_and_is_never_overspent(tried: Trials, budgets: list[float]) -> None:
    reached = []
    for budget in sorted(budgets):
        try:
            setting = Wish(max_cost_per_1k=budget).settle(tried).setting
        except TargetError:
            assert tried.cost_per_1k.min() > budget and not reached
            continue
        assert tried.cost_per_1k[setting] <= budget * (1 + 1e-6) + 1e-6
        reached.append(float(tried.quality[setting].mean()))
    assert reached == sorted(reached)


@settings(max_examples=100)
@given(trials(), st.floats(0, 1))
def test_the_cheapest_that_is_good_enough(tried: Trials, share: float) -> None:
    least = share * float(tried.quality.mean(axis=1).max())
    setting = Wish(min_quality=least).settle(tried).setting
    good = tried.quality.mean(axis=1) >= least - 1e-9
    assert good[setting] and tried.cost_per_1k[setting] == pytest.approx(tried.cost_per_1k[good].min())


@settings(max_examples=50)
@given(trials())
def test_a_higher_price_of_money_never_costs_more(tried: Trials) -> None:
    cost = [tried.cost_per_1k[Wish(tradeoff=t).settle(tried).setting] for t in (1e-6, 1e-4, 1e-3, 1e-2, 1.0)]
    assert all(a >= b - 1e-6 for a, b in zip(cost, cost[1:], strict=False))
