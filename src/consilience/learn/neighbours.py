"""What members were worth on the known questions nearest to a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

GRID = (1, 3, 5, 9, 15, 25, 50, 100, 200)
"""Neighbourhood sizes that fitting tries, besides all."""


def nearest(similar: np.ndarray, k: int) -> np.ndarray:
    """Rows of the `k` most similar (all when there are fewer), ties (within 1e-6) to the lower row."""
    import numpy as np

    return np.argsort(-np.round(similar, 6), kind="stable")[:k]


def expected(similar: np.ndarray, merit: np.ndarray, k: int) -> np.ndarray:
    """Mean merit of each member over the `k` nearest questions: `merit` is [questions, members]."""
    return merit[nearest(similar, k)].mean(axis=0)


def best_size(similar: Sequence[np.ndarray], merit: np.ndarray) -> int:
    """The `k` whose picks are worth most, each question judged by the others alone; ties to the smaller.

    `similar[i]` are the similarities of question i with all; the first questions may stand for all.
    """
    import numpy as np

    sizes = [k for k in GRID if k < len(merit) - 1] + [len(merit)]
    worth = dict.fromkeys(sizes, 0.0)
    for i, row in enumerate(similar):
        order = nearest(np.where(np.arange(len(row)) == i, -2.0, row), len(row) - 1)
        means = merit[order].cumsum(axis=0) / np.arange(1, len(row))[:, None]
        for k in sizes:
            mean = np.round(means[min(k, len(means)) - 1], 9)
            worth[k] += float(merit[i][mean == mean.max()].mean())
    return max(sizes, key=lambda k: round(worth[k], 9))
