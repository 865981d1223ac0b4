"""AutoMix's meta-verifier: from how often a member calls its own answer right, whether to believe it (arXiv 2310.12963).

Shares of `yes` fall into the nearest of `bins + 1` points 0, 1/bins, .., 1. A policy is the set of bins whose answers are
passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np

REWARDS = 5000
"""Values of the reward parameter that the POMDP's policies come from."""
SMOOTH = 2.0
"""Width, in bins, of the Gaussian by which greedy policies smooth what a call gains."""
NEEDY, GOOD, HOPELESS = 0, 1, 2

Policy: TypeAlias = tuple[int, ...]
"""Bins that are passed on, rising."""


def share(verdicts: Sequence[str | None]) -> float:
    """Share of `yes` among the verdicts that can be read; 0 without any."""
    valid = [v for v in verdicts if v is not None]
    return sum(v == "yes" for v in valid) / len(valid) if valid else 0.0


def binned(shares: np.ndarray | float, bins: int) -> np.ndarray:
    """The nearest bin of each share."""
    import numpy as np

    return np.floor(np.asarray(shares) * bins + 0.5).astype(int)


def classes(small: np.ndarray, large: np.ndarray) -> np.ndarray:
    """Class of each question by the scores of the small and the large model: needy, good, hopeless, or -1."""
    import numpy as np

    hopeless = (small <= np.quantile(small, 0.1)) & (large <= np.quantile(large, 0.1))
    rest = np.where(hopeless, HOPELESS, -1)
    found: np.ndarray = np.where(small < large, NEEDY, np.where((small == large) & (small > 0), GOOD, rest))
    return found


def observed(bin_of: np.ndarray, class_of: np.ndarray, bins: int) -> np.ndarray:
    """P(class | bin), float [bins + 1, 3]; zeros for a bin that nothing fell into."""
    import numpy as np

    seen = np.zeros((bins + 1, 4))
    np.add.at(seen, (bin_of, class_of), 1)      # class -1 is the last column, in the denominator alone
    found: np.ndarray = seen[:, :3] / np.maximum(1, seen.sum(axis=1, keepdims=True))
    return found


def policies(shares: np.ndarray, small: np.ndarray, large: np.ndarray, bins: int) -> list[Policy]:
    """All candidate policies (single and double thresholds, POMDP, greedy), from the one that passes least on."""
    import numpy as np

    bin_of = binned(shares, bins)
    ranges = [tuple(range(low, high)) for low in range(bins + 1) for high in range(low, bins + 2)]
    found = {*ranges, *pomdp(observed(bin_of, classes(small, large), bins)), *greedy(bin_of, large - small, bins)}
    count = np.bincount(bin_of, minlength=bins + 1)
    return sorted(found, key=lambda p: (int(sum(count[b] for b in p)), len(p), p))


def pomdp(odds: np.ndarray) -> set[Policy]:
    """The policies of all reward parameters: a bin is passed on where that is worth more than keeping the answer."""
    import numpy as np

    g = np.arange(REWARDS)[:, None]
    needy, good, hopeless = odds.T
    keep = -g * needy - (g + 1) * hopeless
    call = -100 * needy - 100 * good - (g + 100) * hopeless
    return _policies(np.unique(call > keep, axis=0))


def greedy(bin_of: np.ndarray, gain: np.ndarray, bins: int) -> set[Policy]:
    """Bins passed on one after the other, where a call gains most (smoothed over neighbours) first."""
    import numpy as np

    total, count = (np.bincount(bin_of, w, minlength=bins + 1) for w in (gain, None))
    place = np.arange(bins + 1)
    near = np.exp(-0.5 * ((place[:, None] - place) / SMOOTH) ** 2)
    order = np.argsort(-(near @ (total / np.maximum(1, count))) / near.sum(axis=1), kind="stable")
    return {tuple(sorted(int(b) for b in order[:n])) for n in range(bins + 2)}


def _policies(calls: Iterable[np.ndarray]) -> set[Policy]:
    import numpy as np

    return {tuple(int(b) for b in np.flatnonzero(line)) for line in calls}


def gain_per_cost(score: float, cost: float, small: tuple[float, float], large: tuple[float, float]) -> float:
    """dIBC: how much more score a dollar buys than always calling the large model does, relative to that; `small` and
    `large` are (score, cost). NaN where either slope is undefined, or the large model buys nothing."""
    import math

    if large[1] <= small[1] or large[0] <= small[0] or abs(cost - small[1]) < 1e-15:
        return math.nan
    always = (large[0] - small[0]) / (large[1] - small[1])
    return ((score - small[0]) / (cost - small[1]) - always) / always
