"""Curves of cost and quality, on the worked examples of their papers' definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.bench.curves import calls_for, front, mean_height, mean_recovered, mixture, recovered, threshold_curve

SHARES, QUALITY = np.array([0.0, 0.25, 0.5, 1.0]), np.array([0.60, 0.68, 0.74, 0.80])
POINTS = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=12)


def test_share_of_strong_calls_for_half_of_the_gap() -> None:
    assert calls_for(0.5, SHARES, QUALITY, 0.6, 0.8) == pytest.approx(1 / 3)


def test_mean_gap_recovered() -> None:
    assert np.trapezoid(QUALITY, SHARES) == pytest.approx(0.7225)
    assert mean_recovered(SHARES, QUALITY, 0.6, 0.8) == pytest.approx(0.6125)


def test_a_straight_line_recovers_a_half_on_average() -> None:
    shares = np.linspace(0, 1, 11)
    assert mean_recovered(shares, 0.6 + 0.2 * shares, 0.6, 0.8) == pytest.approx(0.5, abs=1e-12)
    assert calls_for(0.8, shares, 0.6 + 0.2 * shares, 0.6, 0.8) == pytest.approx(0.8)


def test_equal_models_have_no_gap_to_recover() -> None:
    assert np.isnan(recovered(QUALITY, 0.7, 0.7)).all()
    assert math.isnan(mean_recovered(SHARES, QUALITY, 0.7, 0.7))
    assert math.isnan(calls_for(0.5, SHARES, QUALITY, 0.7, 0.7))


def test_the_first_crossing_counts_and_a_gap_never_recovered_is_nan() -> None:
    dips = np.array([0.6, 0.75, 0.65, 0.8])
    assert calls_for(0.5, SHARES, dips, 0.6, 0.8) == pytest.approx(0.25 * 2 / 3)
    assert math.isnan(calls_for(0.9, SHARES, np.array([0.6, 0.6, 0.6, 0.7]), 0.6, 0.8))


def test_thresholds_run_from_never_to_always() -> None:
    preference = np.arange(20.0)
    shares, quality = threshold_curve(preference, np.zeros(20), (preference >= 10).astype(float))
    assert shares[0] == 0 and shares[-1] == 1 and (np.diff(shares) > 0).all()
    assert quality[0] == 0 and quality[-1] == 0.5
    assert calls_for(1.0, shares, quality, 0.0, 0.5) == pytest.approx(0.5)


def test_a_router_that_knows_nothing_sends_all_or_none() -> None:
    shares, quality = threshold_curve(np.zeros(4), np.zeros(4), np.ones(4))
    assert set(shares) == {0.0, 1.0} and mean_recovered(shares, quality, 0.0, 1.0) == pytest.approx(0.5)


def test_front_leaves_out_what_a_coin_between_two_others_beats() -> None:
    x, y = front(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.2, 0.3, 0.6, 0.5]))
    assert x.tolist() == [1.0, 3.0] and y.tolist() == [0.2, 0.6]


def test_mean_height_is_flat_beyond_the_ends() -> None:
    costs, quality = np.array([1.0, 3.0]), np.array([0.2, 0.6])
    assert mean_height(costs, quality, 1, 3) == pytest.approx(0.4)
    assert mean_height(costs, quality, 1, 5) == pytest.approx((0.4 * 2 + 0.6 * 2) / 4)
    assert mean_height(costs, quality, 0, 1) == pytest.approx(0.2)
    assert mean_height(costs, quality, 2, 2) == pytest.approx(0.4)


def test_mixture_at_a_cost() -> None:
    costs, quality = np.array([4.0, 1.0, 3.0, 2.0]), np.array([0.5, 0.2, 0.6, 0.3])
    assert mixture(costs, quality, 2.0) == (1, 2, pytest.approx(0.5))
    assert mixture(costs, quality, 0.5) == (1, 1, 0.0)
    assert mixture(costs, quality, 9.0) == (2, 2, 0.0)


@given(POINTS)
def test_front_is_concave_rising_and_above_every_point(points: list[tuple[float, float]]) -> None:
    costs, quality = (np.array(column) for column in zip(*points, strict=True))
    x, y = front(costs, quality)
    assert (np.diff(x) > 0).all() and (np.diff(y) > 0).all()
    assert (np.interp(costs, x, y) >= quality - 1e-6).all()
    assert mean_height(costs, quality, costs.min(), costs.max()) <= quality.max() + 1e-9


@given(POINTS, st.floats(0, 10))
def test_mixture_lies_on_the_front(points: list[tuple[float, float]], cost: float) -> None:
    costs, quality = (np.array(column) for column in zip(*points, strict=True))
    first, second, share = mixture(costs, quality, cost)
    x, y = front(costs, quality)
    assert (1 - share) * quality[first] + share * quality[second] == pytest.approx(np.interp(cost, x, y), abs=1e-6)
