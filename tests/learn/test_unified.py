"""Supermodels: expected maxima, and whom to ask next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.learn.unified import (
    Planner,
    after,
    columns,
    evidence,
    expected_best,
    fit_posts,
    mixing,
    normals,
    revealed,
    root,
    subsets,
)

POINTS = normals(2)
CALM = np.zeros((4, 2, 2))
ALL_CHEAP = np.array([False])


def planner(depth: int = 2, roots: np.ndarray = CALM, cost: tuple[float, ...] = (1.0, 10.0)) -> Planner:
    return Planner(cost, depth, roots[:len(subsets(len(cost), depth))], POINTS)


def climb(plan: Planner, quality: list[float], price: float, dear: bool = False) -> list[tuple[int, ...]]:
    """The sets on the way, with estimates that answers do not change."""
    state, way, q = 0, [()], np.array([quality])
    while True:
        onward = int(plan.onward(state, plan.gains(state, q), price, np.array([dear]))[0])
        if onward == state:
            return way[1:]
        state = onward
        way.append(plan.lattice.sets[state])


def test_points_are_standard_normal() -> None:
    points = normals(3)
    assert points.mean(axis=0) == pytest.approx([0] * 3, abs=1e-12) and points.std(axis=0) == pytest.approx([1] * 3, abs=.05)
    assert (normals(3) == points).all(), "and the same ones each time"


def test_the_expected_maximum_of_the_catalogue() -> None:
    spread = root(np.diag([.04, 0]))
    found = expected_best(np.array([[.6, .7]]), spread, POINTS, subsets(2, 2))
    assert found[0, 0] == -1e8 and found[0, 1:3] == pytest.approx([.6, .7])
    assert found[0, 3] == pytest.approx(.73956, abs=.005) and found[0, 3] >= .7


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.lists(st.floats(0, .5), min_size=3, max_size=3))
@settings(max_examples=25)
def test_more_members_are_never_worth_less(quality: list[float], spread: list[float]) -> None:
    sets = subsets(3, 3)
    found = dict(zip(sets, expected_best(np.array([quality]), np.diag(spread), normals(3), sets)[0], strict=True))
    assert all(found[wide] >= found[s] - 1e-9 for s in sets for wide in sets if set(s) < set(wide))
    assert all(found[s] >= max(quality[m] for m in s) - 1e-9 for s in sets if s), "at least the best of the means"


@given(st.lists(st.floats(-1, 1), min_size=9, max_size=9))
def test_roots_of_singular_covariances(values: list[float]) -> None:
    a = np.array(values).reshape(3, 3)
    a[2] = a[1]
    assert root(a @ a.T) @ root(a @ a.T).T == pytest.approx(a @ a.T, abs=1e-9)


def test_certain_estimates_reduce_it_to_routing() -> None:
    assert climb(planner(), [.6, .8], .01) == [(1,)] and climb(planner(), [.6, .8], .03) == [(0,)]
    assert climb(planner(1), [.6, .8], .01) == [(1,)], "depth 1 is routing"


def test_ties_go_to_the_cheapest_and_by_gamma_to_the_dearest() -> None:
    tie = .2 / 9
    assert climb(planner(), [.6, .8], tie) == [(0,)] and climb(planner(), [.6, .8], tie, dear=True) == [(1,)]
    assert mixing(5, 1, 9) == .5 and mixing(0, 1, 9) == 0 and mixing(20, 1, 9) == 1 and mixing(5, 3, 3) == 0


def test_uncertain_estimates_ask_the_cheap_one_first_and_all_that_may_add() -> None:
    unsure = np.stack([np.eye(2) * .3] * 4)
    assert climb(planner(roots=unsure), [.6, .6], 0.0) == [(0,), (0, 1)]
    assert climb(planner(roots=unsure), [.6, .6], .5) == [(0,)], "nothing dear is worth that price"


def test_the_price_of_money_never_buys_more() -> None:
    unsure = planner(roots=np.stack([np.eye(2) * .3] * 4))
    cost = [sum(unsure.cost[m] for m in climb(unsure, [.5, .7], price)[-1]) for price in (0, .005, .01, .02, .05, .2)]
    assert cost == sorted(cost, reverse=True) and cost[0] == 11 and cost[-1] == 1


def test_slopes_are_the_prices_where_plans_change() -> None:
    seen = planner()
    found = seen.slopes(seen.gains(0, np.array([[.6, .8]])))
    assert any(f == pytest.approx(.2 / 9) for f in found)


def test_evidence_is_who_was_rated_how_and_who_agrees() -> None:
    seen = evidence(np.array([[.9, .4, 0]]), np.array([[0, 0, -1]]))
    assert columns(3)[3:] == [(0, 1), (0, 2), (1, 2)] and seen.tolist() == [[.9, .4, 0, 1, 0, 0]]
    assert revealed((0, 2), 3).tolist() == [True, False, True, False, True, False]


def test_what_is_seen_corrects_what_was_foreseen() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((400, 2)) < .5).astype(float)
    seen = evidence(np.clip(truth + rng.normal(0, .2, (400, 2)), 0, 1), np.zeros((400, 2), int))
    ante = np.full((400, 2), .5)
    sets = subsets(2, 2)
    posts = fit_posts(sets, ante, seen, truth)
    assert after(posts[0], ante, seen).tolist() == ante.tolist(), "nothing was seen"
    error = [float(((after(p, ante, seen) - truth) ** 2).mean()) for p in posts]
    assert error[3] < .06 < error[1] < error[0] == .25
    assert (posts[1][1:3] == 0).all(), "what is not revealed plays no part"
