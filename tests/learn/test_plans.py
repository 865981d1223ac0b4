"""Searches with rewards: how rewards and constraints are read, REBASE's shares, and which search is favoured."""

from __future__ import annotations

from math import inf, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.plans import GENERIC, constraints, favoured, reward, shares, ucb1


@pytest.mark.parametrize(("text", "found"), [
    ("Score: 40", 40.0), ("met\nscore = -12.5", -12.5), ("**Reward:** 250", 100.0), ("Score: -101", -100.0), ("Score 3, no: Score: 4", 4.0),
    ("good", None), ("", None), ("50", None)])
def test_rewards_as_models_write_them(text: str, found: float | None) -> None:
    assert reward(text) == found


def test_constraints_are_listed_once_and_none_is_a_generic_check() -> None:
    assert constraints("They are:\n- three cities\n2. by train\n* three cities\n") == ["three cities", "by train"]
    assert constraints("hm") == list(GENERIC) == constraints("")


def test_shares_go_by_the_softmax_of_rewards() -> None:
    assert shares([.9, .5], 8, .2) == [7, 1]
    assert shares([.9, .5], 8, 1e9) == [4, 4]
    assert shares([.1, .1, .1, .1], 1) == [1, 0, 0, 0] and shares([], 5) == [] and shares([.5], 0) == [0]


@given(st.lists(st.floats(0, 1), max_size=12), st.integers(0, 20), st.floats(.01, 10))
def test_shares_never_exceed_the_width_and_prefer_the_better(rewards: list[float], width: int, heat: float) -> None:
    found = shares(rewards, width, heat)
    assert len(found) == len(rewards) and 0 <= sum(found) <= width
    assert not rewards or not width or sum(found) > 0
    assert all(found[i] >= found[j] for i in range(len(rewards)) for j in range(len(rewards)) if rewards[i] > rewards[j])


def test_the_bound_is_infinite_for_a_search_that_was_not_run() -> None:
    assert ucb1([], 3) == inf
    assert ucb1([100, 0], 3) == pytest.approx(.75 + 2 * sqrt(log(3) / 2)) and ucb1([-100], 1) == 0
    assert favoured({"a": [90.0], "b": [], "c": []}) == "b"
    assert favoured({"a": [90.0], "b": [10.0], "c": [80.0]}) == "a"
    assert favoured({"a": [10.0, 10.0, 10.0], "b": [0.0]}) == "b", "one try tells less than three"
