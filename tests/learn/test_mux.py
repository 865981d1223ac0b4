"""SLM-MUX's search for members that complement each other."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.mux import Samples
from consilience.learn.table import Table
from consilience.method import Scored
from consilience.types import Example, Reply, Request

counts = st.lists(st.lists(st.integers(0, 5), min_size=4, max_size=4), min_size=2, max_size=4)


def samples(right: list[list[int]], sure: list[list[float]], draws: int = 5) -> Samples:
    """Members that are right in so many samples of each question; what is right in most of them is their answer."""
    scores = [[float(2 * n > draws) for n in line] for line in right]
    examples = [Example(f"q{i}", Request.of(f"question {i}")) for i in range(len(right[0]))]
    asked = [[Scored(Reply("x", cost=1.0, seconds=1.0), s) for s in line] for line in scores]
    return Samples(Table.made(tuple(f"m{m}" for m in range(len(right))), examples, asked), np.array(sure), np.array(right), draws)


def test_the_objective_is_what_is_solved_less_what_is_contradicted() -> None:
    seen = samples([[5, 5, 0, 0], [0, 3, 2, 0]], [[1, 1, .6, .6], [1, .6, .4, .4]])
    assert seen.objective([0], .5, 2) == .5, "a single member contradicts nothing"
    assert seen.objective([0, 1], 0, 2) == .75, "one of four is solved by nobody"
    assert seen.objective([0, 1], .5, 2) == pytest.approx(.75 - .5 / 3), "member 1 is unanimous and wrong on the first"
    assert seen.objective([0, 1], 0, 3) == .5, "two right samples of five are not three"


@given(counts)
def test_without_contradiction_the_search_maximises_what_is_solved(right: list[list[int]]) -> None:
    seen = samples(right, [[1.0] * 4] * len(right))
    found = seen.search(3, 0.0, 2)
    solved = {s: np.mean(np.max(np.array(right)[list(s)], axis=0) >= 2) for n in (2, 3)
              for s in combinations(range(len(right)), n)}
    assert solved[found] == pytest.approx(max(solved.values()))
    trials = seen.play([found])
    assert trials.quality.mean() <= np.max(seen.table.scores[:, list(found)], axis=1).mean() + 1e-12, "no more than the oracle"


def test_many_members_are_searched_by_growing() -> None:
    right = np.zeros((14, 14), int) + np.eye(14, dtype=int) * 5
    seen = samples(right.tolist(), np.full((14, 14), .4).tolist())
    assert len(list(seen.sets(2, 9, 0.0, 2))) == 8 and len(seen.search(9, 0.0, 2)) == 9
