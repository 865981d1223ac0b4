"""Groups of like questions: centres, weights, what members are worth in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.learn.clusters import (best_groups, blended, categories, kmeans, nearby, nearest, others, rank_scores, ranks,
                                        softmax, worths)
from consilience.learn.embedding import unit

RNG = np.random.default_rng(0)


def spread(groups: int, each: int, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Vectors about `groups` axes, and their groups."""
    place = np.repeat(np.arange(groups), each)
    return unit(np.eye(width)[place] + .1 * RNG.standard_normal((groups * each, width))), place


def test_groups_are_found() -> None:
    x, place = spread(4, 20)
    found = nearest(x, kmeans(x, 4))
    assert len({(a, b) for a, b in zip(place, found, strict=True)}) == 4


def test_no_more_groups_than_different_vectors() -> None:
    x = unit(np.array([[1, 0], [1, 0], [0, 1]]))
    assert len(kmeans(x, 64)) == 2 and len(kmeans(x[:1], 64)) == 1
    assert len(kmeans(np.zeros((3, 2), np.float32), 4)) == 1


def test_one_group_is_the_ranking_on_dev() -> None:
    x, _ = spread(4, 20)
    scores = (RNG.random((80, 3)) < [.2, .8, .5]).astype(float)
    worth = blended(worths(scores, np.zeros(80, int), 1), *nearby(x, kmeans(x, 1), 11, 6.0))
    assert np.allclose(worth, scores.mean(axis=0))


def test_the_worked_weights_and_ranks() -> None:
    assert softmax(-6 * np.array([.1, .3])) == pytest.approx([.7685, .2315], abs=5e-5)
    table = rank_scores(np.array([[0, 1], [1, 0]]))
    scores = blended(table, np.array([[0, 1]]), softmax(-6 * np.array([[.1, .3]])))[0]
    assert scores == pytest.approx([7.896, 3.013], abs=1e-3)
    assert softmax(0 * np.array([.1, .3])) == pytest.approx([.5, .5])


def test_ranks_break_ties_by_standing_then_cost_and_follow_their_members() -> None:
    worth, standing, cost = np.array([[.5, .5, .5]]), np.array([.4, .6, .4]), np.array([2., 3., 1.])
    assert list(ranks(worth, standing, cost)[0]) == [2, 0, 1]
    turn = [2, 0, 1]
    assert list(ranks(worth[:, turn], standing[turn], cost[turn])[0]) == [1, 2, 0]


@settings(max_examples=30)
@given(st.integers(2, 30), st.integers(1, 4), st.integers(0, 99))
def test_without_itself_is_what_the_rest_says(n: int, groups: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, group = rng.random((n, 3)), rng.integers(groups, size=n)
    i = int(rng.integers(n))
    rest = np.arange(n) != i
    assert np.allclose(others(scores, group, groups)[i], worths(scores[rest], group[rest], groups)[group[i]])


def test_small_groups_are_drawn_to_the_mean_of_all() -> None:
    scores = np.array([[1., 0.]] + [[0., 1.]] * 9)
    worth = worths(scores, np.array([0] + [1] * 9), 2)
    assert worth[0] == pytest.approx([(1 + 2 * .1) / 3, (0 + 2 * .9) / 3])


def test_the_number_of_groups_is_chosen_by_the_other_questions() -> None:
    x, place = spread(4, 20)
    expert = np.eye(4)[place]
    assert len(best_groups(x, expert, 11, 6.0)) >= 4
    assert len(best_groups(x, np.tile([1., 0.], (80, 1)), 11, 6.0)) == 1, "nothing to gain: one group"
    assert len(best_groups(x[:1], expert[:1], 11, 6.0)) == 1


def test_categories_are_the_named_ones_or_groups() -> None:
    x, _ = spread(3, 5)
    assert categories(x, ["b", "a"] * 7 + ["b"], 9)[0] == ["a", "b"]
    names, found = categories(x, ["t"] * 15, 3)
    assert len(names) == 3 and set(found) == {0, 1, 2}
