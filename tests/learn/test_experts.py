"""Kinds of questions and the members for them, within a budget of parameters."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.errors import ConfigError
from consilience.learn import experts
from consilience.learn.experts import clear, mapping, sure

WORTH = np.array([[.9, .5, .6], [.2, .8, .6], [.1, .3, .6]])
SIZES = np.array([10, 10, 10])


def value(used: np.ndarray, worth: np.ndarray = WORTH, sizes: np.ndarray = SIZES) -> float:
    return float(sizes @ worth[:, used].max(axis=1))


def test_budgets() -> None:
    assert mapping(WORTH, SIZES, [7, 7, 7], None).all()
    assert value(mapping(WORTH, SIZES, [7, 7, 7], 1e9)) == pytest.approx(float(SIZES @ WORTH.max(axis=1)))
    assert mapping(WORTH, SIZES, [7, 7, 7], 7).tolist() == [False, False, True], "one model: the best constant"
    assert mapping(WORTH, SIZES, [7, 7, 7], 14).tolist() == [True, False, True]
    assert mapping(WORTH, SIZES, [7, 7, 70], 14).tolist() == [True, True, False]
    with pytest.raises(ConfigError, match="no member fits into 5 parameters; the smallest has 7"):
        mapping(WORTH, SIZES, [7, 7, 7], 5)


@settings(max_examples=25)
@given(st.integers(0, 999), st.integers(1, 5), st.integers(1, 4))
def test_it_is_the_best_subset_and_grows_with_the_budget(seed: int, members: int, kinds: int) -> None:
    rng = np.random.default_rng(seed)
    worth, sizes, size = rng.random((kinds, members)), rng.integers(1, 9, kinds), rng.integers(1, 9, members).astype(float)
    budgets = sorted(rng.uniform(size.min(), size.sum() + 1, 3))
    found = [value(mapping(worth, sizes, size, float(b)), worth, sizes) for b in budgets]
    assert found == sorted(found)
    subsets = [list(c) for k in range(1, members + 1) for c in combinations(range(members), k)]
    best = max(float(sizes @ worth[:, c].max(axis=1)) for c in subsets if size[c].sum() <= budgets[0])
    assert found[0] == pytest.approx(best)
    turn = rng.permutation(kinds)
    assert (mapping(worth[turn], sizes[turn], size, float(budgets[0])) == mapping(worth, sizes, size, float(budgets[0]))).all()


def test_many_members_are_added_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experts, "EXACT", 2)
    assert mapping(WORTH, SIZES, [7, 7, 7], 14).tolist() == [True, False, True]
    assert mapping(WORTH, SIZES, [7, 7, 7], 7).tolist() == [False, False, True]


def test_only_who_is_clearly_better_passes_the_best() -> None:
    scores = np.array([[0., 1., .0]] * 20 + [[1., 0., 0.], [0., 1., 0.]] * 10)
    kind = np.repeat([0, 1], 20)
    worth = np.stack([scores[:20].mean(axis=0), [.49, .5, 0.]])
    found = clear(scores, kind, worth, 0, 1.5)
    assert found[0].argmax() == 1 and found[1].argmax() == 0
    assert np.array_equal(clear(scores, kind, worth, 0, 0.0), worth), "by anything"


def test_a_unanimous_neighbourhood_is_certain() -> None:
    known, kind = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]], np.array([0, 0, 0, 1])
    place, share = sure(known[:1], known, kind, 2, 3)
    assert (place[0], share[0]) == (0, 1.0)
    place, share = sure(known, known, kind, 2, 1, np.arange(4))
    assert list(place) == [0, 0, 0, 0] and share.all(), "the last has no neighbour of its own kind but itself"
