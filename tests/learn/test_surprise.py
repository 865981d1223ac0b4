"""Confidence by token log-probabilities: the features and the single rules."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.surprise import (
    COUNT,
    LEVELS,
    MEAN,
    SUM,
    Measure,
    features,
    nearest,
)

ONE_DOUBT, EVEN = [log(.9)] * 9 + [log(.1)], [log(.72)] * 10


def sure(rule: Any, logprobs: list[float], level: float = 0.0) -> float:
    return float(Measure(rule, level).of(np.array([features(logprobs)]))[0])


def test_the_example_of_the_paper() -> None:
    assert features(ONE_DOUBT)[MEAN] == pytest.approx(-.3251, abs=1e-4)
    assert features(EVEN)[MEAN] == pytest.approx(-.3285, abs=1e-4)
    assert features(ONE_DOUBT)[nearest(0)] == pytest.approx(-2.303, abs=1e-3)
    assert features(EVEN)[nearest(0)] == pytest.approx(-.329, abs=1e-3)
    assert sure("average", ONE_DOUBT) > sure("average", EVEN) and sure("quantile", ONE_DOUBT) < sure("quantile", EVEN)


def test_only_the_sum_punishes_length() -> None:
    short, long = features([-.1] * 5), features([-.1] * 50)
    assert short[SUM] == pytest.approx(-.5) and long[SUM] == pytest.approx(-5) and (short[COUNT], long[COUNT]) == (5, 50)
    assert short[:SUM] == pytest.approx(long[:SUM]) and short[MEAN] == pytest.approx(long[MEAN])


@given(st.lists(st.floats(-20, 0), min_size=1, max_size=30))
def test_quantiles_rise_and_confidence_keeps_their_order(logprobs: list[float]) -> None:
    found = features(logprobs)[:len(LEVELS)]
    assert found == sorted(found) and found[0] == min(logprobs) and found[-1] == max(logprobs)
    values = [sure("quantile", logprobs, level) for level in LEVELS]
    assert values == sorted(values) and all(0 < v <= 1 for v in values)


def test_no_tokens_no_features() -> None:
    assert features([]) == []
