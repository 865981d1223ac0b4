"""Kinds of questions, whom each is sent to, and how sure a question's kind is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from consilience.errors import ConfigError
from consilience.learn.neighbours import neighbours

if TYPE_CHECKING:
    import numpy as np

EXACT = 15
"""Members up to whom all subsets are tried."""


def mapping(worth: np.ndarray, sizes: np.ndarray, parameters: Sequence[float], budget: float | None) -> np.ndarray:
    """Which members are used, a mask [members], so that the mean over questions of the best worth of their kind is
    highest, `worth` [kinds, members] and `sizes` [kinds], while the used ones have at most `budget` parameters together.

    Without a budget all are. Of equal subsets the one with fewer parameters, then fewer members, is taken. All subsets
    are tried of up to `EXACT` members; beyond, members are added one by one, each time the one that helps most.
    """
    import numpy as np

    n, size = worth.shape[1], np.array(parameters, float)
    if budget is None:
        return np.ones(n, bool)
    if size.min() > budget:
        raise ConfigError(f"no member fits into {budget:g} parameters; the smallest has {size.min():g}")
    if n <= EXACT:
        return _best((np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1 > 0, worth, sizes, size, budget)
    used = _best(np.eye(n, dtype=bool), worth, sizes, size, budget)
    while True:
        more = _best(np.eye(n, dtype=bool) | used, worth, sizes, size, budget)
        if (more == used).all():
            return used
        used = more


def _best(subsets: np.ndarray, worth: np.ndarray, sizes: np.ndarray, size: np.ndarray, budget: float) -> np.ndarray:
    """The best of some subsets, masks [subsets, members]."""
    import numpy as np

    total = subsets @ size
    value = sum(n * np.where(subsets, line, -np.inf).max(axis=1) for n, line in zip(sizes, worth, strict=True))
    value = np.where(total <= budget, np.round(value, 9), -np.inf)
    found: np.ndarray = subsets[np.lexsort((subsets.sum(axis=1), total, -value))[0]]
    return found


def clear(scores: np.ndarray, kind: np.ndarray, worth: np.ndarray, best: int, errors: float) -> np.ndarray:
    """`worth` [kinds, members] where whoever is above the member `best` in a kind by no more than `errors` standard errors
    of the paired difference is put just below it: two within noise are one, and the one in use stays."""
    import numpy as np

    out = worth.copy()
    for c in range(len(worth)):
        gap = scores[kind == c] - scores[kind == c][:, [best]]
        # one win and one loss more than were seen, so that a few questions are not taken for certain
        error = np.sqrt(((gap**2).sum(axis=0) + 2) / (len(gap) + 2) / max(1, len(gap)))
        unclear = (worth[c] > worth[c, best]) & (worth[c] - worth[c, best] <= errors * error)
        out[c, unclear] = worth[c, best] - 1e-6
    return out


def sure(x: np.ndarray, known: np.ndarray, kind: np.ndarray, kinds: int, k: int,
         own: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The kind that most of the `k` nearest known questions have, and the share of them that do: two arrays [questions].
    `own` are the places of `x` among the known questions, where each is judged by the others."""
    import numpy as np

    similar = x @ known.T
    if own is not None:
        similar[np.arange(len(own)), own] = -2.0
    near = kind[neighbours(similar, min(k, max(1, len(known) - (own is not None))))]
    share = (near[:, :, None] == np.arange(kinds)).mean(axis=1)
    return share.argmax(axis=1), share.max(axis=1)
