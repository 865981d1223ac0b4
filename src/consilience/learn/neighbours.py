"""What members were worth on the known questions nearest to a new one. `merit` is float [questions, members]."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

GRID = (1, 3, 5, 9, 15, 25, 50, 100, 200)
"""Neighbourhood sizes that fitting tries, besides all."""
GUARDS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 1e9)
"""Standard errors by which neighbours must speak for another member than the best; the last: never."""
PRICED = (0.0, 0.03, 0.1, 0.2, 0.4, 0.8)
"""Scores that the dearest member's mean cost stands for when sizes are judged under a target about money."""
JUDGED = 1000
"""Known questions that sizes are tried on, at most."""


def neighbours(similar: np.ndarray, k: int) -> np.ndarray:
    """Places of the `k` most similar known questions (all when there are fewer), best first: [questions, k].

    `similar` is [questions, known]; ties (within 1e-6) go to the lower place.
    """
    import numpy as np

    similar = np.round(similar, 6)
    k = min(k, similar.shape[1])
    if k < similar.shape[1]:
        least = np.partition(similar, -k, axis=1)[:, -k]
        near = [_nearest(row, low, k) for row, low in zip(similar, least, strict=True)]
        return np.array(near).reshape(len(similar), k)
    return np.argsort(-similar, axis=1, kind="stable")


def _nearest(similar: np.ndarray, least: float, k: int) -> np.ndarray:
    """Places of the `k` highest, of which the last is `least`."""
    import numpy as np

    above = np.flatnonzero(similar >= least)
    return above[np.argsort(-similar[above], kind="stable")[:k]]


def best_size(x: np.ndarray, merit: np.ndarray, cost: np.ndarray | None = None) -> int:
    """The `k` whose picks are worth most, each question judged by the others alone; ties to the smaller.

    With the members' mean `cost` [members], picks are judged at several prices of it, for a target about money.
    """
    near, judged = _others(x), merit[:JUDGED]
    means = {k: merit[near[:, :k]].mean(axis=1) for k in GRID if k <= near.shape[1]}
    means[len(merit)] = (merit.sum(axis=0) - judged) / max(1, len(merit) - 1)
    worth = {k: picked(mean, judged, cost) for k, mean in means.items()}
    return max(worth, key=lambda k: round(worth[k], 9))


def best_guard(x: np.ndarray, merit: np.ndarray, k: int) -> float:
    """The number of standard errors whose picks are worth most, each question judged by the others; ties to the higher."""
    near, judged = merit[_others(x, k)], merit[:JUDGED]
    means, standing = near.mean(axis=1), merit.mean(axis=0)
    worth = {guard: picked(guarded(means, near, standing, guard), judged) for guard in GUARDS}
    return max(GUARDS, key=lambda guard: (round(worth[guard], 9), guard))


def guarded(means: np.ndarray, near: np.ndarray, standing: np.ndarray, guard: float) -> np.ndarray:
    """`means` [questions, members] of the neighbours' merits `near` [questions, k, members], with the best member by
    `standing` lifted above all others wherever no other beats it by more than `guard` standard errors of the paired
    difference. A single neighbour never speaks clearly enough."""
    import numpy as np

    best = int(np.argmax(np.round(standing, 12)))
    gap = near - near[:, :, best:best + 1]
    k = near.shape[1]
    # one win and one loss more than were seen, so that a few neighbours that all agree are not taken for certain
    error = np.sqrt(((gap**2).sum(axis=1) + 2) / (k + 2)) / np.sqrt(k)
    clear = (gap.mean(axis=1) > guard * error).any(axis=1) & (k > 1)
    out = np.array(means, dtype=np.float64)
    out[~clear, best] = means[~clear].max(axis=1) + 1e-6
    return out


def _others(x: np.ndarray, k: int = GRID[-1]) -> np.ndarray:
    """The `k` other known questions most similar to each of the first `JUDGED`, best first: [judged, k]."""
    import numpy as np

    similar = x[:JUDGED] @ x.T
    similar[np.arange(len(similar)), np.arange(len(similar))] = -2.0
    return neighbours(similar, min(k, max(1, len(x) - 1)))


def picked(means: np.ndarray, merit: np.ndarray, cost: np.ndarray | None = None) -> float:
    """Mean merit of the members with the highest means; ties share. With the members' mean `cost` [members], the mean
    over several prices of it."""
    import numpy as np

    bills = [np.zeros(merit.shape[1])] if cost is None else [cost * p / max(float(cost.max()), 1e-12) for p in PRICED]
    worth = []
    for bill in bills:
        gain = (means - bill).round(9)
        top = gain == gain.max(axis=1, keepdims=True)
        worth.append(float((((merit - bill) * top).sum(axis=1) / top.sum(axis=1)).mean()))
    return sum(worth) / len(worth)
