"""AutoMix's meta-verifier: bins, classes, policies and what a policy gains per cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.verdicts import (
    GOOD,
    HOPELESS,
    NEEDY,
    binned,
    classes,
    gain_per_cost,
    greedy,
    observed,
    policies,
    pomdp,
    share,
)


def test_shares_of_yes() -> None:
    assert share(["yes", "no", None, "yes"]) == pytest.approx(2 / 3) and share([None]) == 0 == share([])


@given(st.lists(st.sampled_from(["yes", "no"]), min_size=8, max_size=8))
def test_shares_are_eighths(verdicts: list[str]) -> None:
    assert share(verdicts) * 8 == round(share(verdicts) * 8)


def test_the_nearest_bin() -> None:
    assert list(binned(np.array([0, .06, .07, .5, 1]), 8)) == [0, 0, 1, 4, 8]


def test_classes_in_their_order() -> None:
    small, large = np.array([0, 1, 0, 1, .5]), np.array([1, 1, 0, 0, .5])
    assert list(classes(small, large)) == [NEEDY, GOOD, HOPELESS, -1, GOOD]


def test_what_is_better_small_has_no_class_and_still_counts() -> None:
    seen = observed(np.array([0, 0, 1]), np.array([NEEDY, -1, GOOD]), 2)
    assert seen.tolist() == [[.5, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_the_pomdp_never_passes_on_what_is_hopeless_or_unseen() -> None:
    odds = np.array([[0, 0, 1.0], [0, 0, 0], [1, 0, 0], [.5, .5, 0]])
    found = pomdp(odds)
    assert () in found and (2,) in found and (2, 3) in found
    assert not any(0 in policy or 1 in policy for policy in found)


def test_greedy_policies_grow_by_what_a_call_gains() -> None:
    found = greedy(np.array([0, 0, 4, 8]), np.array([1.0, 1, .2, -1]), 8)
    assert len(found) == 10 and (0,) in found and () in found and tuple(range(9)) in found


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from([0, .5, 1]), st.sampled_from([0, .5, 1])), min_size=1, max_size=20))
def test_policies_hold_never_and_always_and_go_from_few_to_many(rows: list[tuple[int, float, float]]) -> None:
    shares, small, large = (np.array(column) for column in zip(*rows, strict=True))
    found = policies(shares / 8, small, large, 8)
    count = np.bincount(shares, minlength=9)
    passed = [sum(count[b] for b in policy) for policy in found]
    assert found[0] == () and tuple(range(9)) in found and passed == sorted(passed) and len(set(found)) == len(found)


def test_gain_per_cost_of_the_catalogue() -> None:
    assert gain_per_cost(.62, 17, (.5, 1), (.7, 50)) == pytest.approx(.8375)
    assert (.62 - .5) / 16 == pytest.approx(.0075) and (.7 - .5) / 49 == pytest.approx(.004082, abs=1e-6)
    assert math.isnan(gain_per_cost(.6, 1, (.5, 1), (.7, 50))), "the same cost as the small model"
    assert math.isnan(gain_per_cost(.6, 9, (.7, 1), (.5, 50))), "a dear model that is no better"
