"""Ratings from duels: worked examples, scikit-learn's logistic regression, tiers and factors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from consilience.learn.duels import ELO, bradley_terry, chances, factorise, tiers, wins

RNG = np.random.default_rng(3)


def test_a_draw_is_half_a_win() -> None:
    assert wins(np.array([[1, 0, 0], [1, 1, 0], [.5, .5, .5]])).tolist() == [[2, .5, .5], [1.5, 1.5, 0], [1, 1, 1]]


def test_a_hundred_points_win_64_of_100() -> None:
    assert chances(np.array([100 / ELO, 0.0]))[0] == pytest.approx(.6401, abs=1e-4)
    assert chances(np.array([3.0, 3.0])).tolist() == [.5, .5] and chances(np.array([1.0])).tolist() == [.5]


def test_ratings_are_those_of_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression
    scores = (RNG.random((60, 4)) < [.3, .5, .6, .8]).astype(float)
    weight = RNG.random(60) + .1
    rows, label, weights = [], [], []
    for i, (a, b) in itertools.product(range(60), itertools.combinations(range(4), 2)):
        for won, share in ((1, (1 + np.sign(scores[i, a] - scores[i, b])) / 2), (0, (1 - np.sign(scores[i, a] - scores[i, b])) / 2)):
            rows.append(np.eye(4)[a] - np.eye(4)[b])
            label.append(won)
            weights.append(weight[i] * share)
    theirs = LogisticRegression(C=1e8, fit_intercept=False, tol=1e-12, max_iter=5000).fit(rows, label, weights).coef_[0]
    ours = bradley_terry(weight @ wins(scores), weight.sum() * (1 - np.eye(4)))
    assert np.allclose(ours, theirs - theirs.mean(), atol=1e-4)


def test_an_undefeated_member_has_a_finite_rating() -> None:
    ours = bradley_terry(wins(np.array([[1.0, 0.0, 0.0]] * 5)).sum(axis=0), 5 * (1 - np.eye(3)))
    assert np.isfinite(ours).all() and ours[0] > ours[1] + 5 and ours[1] == pytest.approx(ours[2])


def test_many_are_rated_at_once_and_from_anywhere() -> None:
    won = RNG.random((7, 3)) + .5
    won *= 3 / won.sum(axis=1, keepdims=True)
    games = 1 - np.eye(3)
    together = bradley_terry(won, games, np.array([1.0, 0.0, -1.0]))
    assert np.allclose(together, [bradley_terry(one, games) for one in won], atol=1e-6)


def test_tiers_have_the_least_variance_within() -> None:
    ratings = [3.0, 1.0, 3.1, 9.0, 1.2]
    assert tiers(ratings, 3) == [1, 0, 1, 2, 0] and tiers(ratings, 1) == [0] * 5
    found = tiers(ratings, 2)

    def within(cut: list[int]) -> float:
        return sum(float(np.var([r for r, t in zip(ratings, cut, strict=True) if t == tier])) for tier in set(cut))
    assert within(found) == pytest.approx(min(within(list(cut)) for cut in itertools.product(range(2), repeat=5)))
    assert tiers([5.0], 4) == [0] and sorted(tiers([1.0, 1.0], 10)) == [0, 1]


def test_factors_learn_who_wins_where() -> None:
    x = RNG.standard_normal((300, 8))
    scores = np.stack([x[:, 0] > 0, x[:, 0] <= 0, np.zeros(300)], axis=1).astype(float)
    odds = factorise(x, scores, [1, 2, 3], 16, 300, 1e-2, .05)
    assert odds.shape == (3, 8) and ((x @ odds.T).argmax(axis=1) == scores.argmax(axis=1)).mean() > .9


def test_factors_of_equal_members_are_equal_and_order_means_nothing() -> None:
    x, scores = RNG.standard_normal((50, 4)), RNG.random((50, 3))
    assert not factorise(x, np.ones((50, 3)), [1, 2, 3], 8, 50, 1e-2, .1).any(), "members that never differ"
    straight, turned = (factorise(x, scores[:, o], [5 + m for m in o], 8, 50, 1e-2, .1) for o in ([0, 1, 2], [2, 0, 1]))
    assert np.allclose(straight[[2, 0, 1]], turned, atol=1e-8)
    twins = factorise(x, scores[:, [0, 0]], [1, 1], 8, 50, 1e-2, .1)
    assert np.allclose(chances(x @ twins.T), .5)


def test_slopes_are_those_of_the_loss() -> None:
    from consilience.learn.duels import _loss, _slopes
    parts = {"vectors": RNG.standard_normal((3, 4)), "first": RNG.standard_normal((4, 5)), "second": RNG.standard_normal(4)}
    x, scores = RNG.standard_normal((6, 5)), RNG.integers(0, 2, (6, 3)).astype(float)
    for name, slope in _slopes(parts, x, scores).items():
        for place in list(np.ndindex(slope.shape))[:6]:
            step = np.zeros_like(slope)
            step[place] = 1e-5
            high, low = (_loss({**parts, name: parts[name] + sign * step}, x, scores) for sign in (1, -1))
            assert (high - low) / 2e-5 == pytest.approx(slope[place], abs=1e-6)
