"""Deferral curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.deferral import area, curve

SMALL, LARGE = np.array([1.0, 0, 1, 0]), np.array([1.0, 1, 1, 1])


def test_ends_are_the_small_and_the_large_model() -> None:
    shares, quality = curve(np.array([.9, .1, .8, .2]), SMALL, LARGE)
    assert list(shares) == [0, .25, .5, .75, 1] and list(quality) == [.5, .75, 1, 1, 1]


def test_equally_sure_answers_give_a_straight_line() -> None:
    shares, quality = curve(np.full(4, .5), SMALL, LARGE)
    assert list(shares) == [0, 1] and list(quality) == [.5, 1]
    assert area(np.full(4, .5), SMALL, LARGE) == pytest.approx(.75)


rows = st.lists(st.tuples(st.sampled_from([.1, .3, .5]), st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])),
                min_size=1, max_size=12)


@given(rows)
def test_the_area_lies_within_the_scores_and_order_does_not_matter(given_rows: list[tuple[float, float, float]]) -> None:
    sure, small, large = (np.array(column) for column in zip(*given_rows, strict=True))
    height = area(sure, small, large)
    best = area(small - large, small, large)
    assert 0 <= height <= best + 1e-9, "nothing beats passing on by what it gains"
    assert area(sure[::-1], small[::-1], large[::-1]) == pytest.approx(height)
