"""What it is worth to pass on the least sure answers first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def curve(sure: np.ndarray, small: np.ndarray, large: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The deferral curve: shares of questions passed on, 0 to 1, and the mean score there. All arrays are [questions].

    Equally sure answers are passed on by lot, a straight line between the points of a threshold.
    """
    import numpy as np

    order = np.argsort(sure, kind="stable")
    gained = np.concatenate([[0.0], np.cumsum((large - small)[order])])
    ends = np.flatnonzero(np.diff(sure[order], append=np.inf) > 0) + 1
    at = np.concatenate([[0], ends])
    return at / len(sure), small.mean() + gained[at] / len(sure)


def area(sure: np.ndarray, small: np.ndarray, large: np.ndarray) -> float:
    """Mean score over all shares passed on: the area under the deferral curve; by lot it is the mean of both models."""
    import numpy as np

    return float(np.trapezoid(*curve(sure, small, large)[::-1]))
