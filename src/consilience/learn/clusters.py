"""Groups of like questions, and what members are worth in each. Vectors `x` are unit rows [questions, width]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from consilience.learn.embedding import unit
from consilience.learn.neighbours import picked

if TYPE_CHECKING:
    import numpy as np

ROUNDS = 25
"""Rounds of k-means, at most."""
PSEUDO = 2.0
"""Questions of average outcome that every group is taken to hold besides its own (choice)."""
SIZES = (1, 4, 8, 16, 32, 64)
"""Numbers of groups that fitting tries."""


def kmeans(x: np.ndarray, k: int) -> np.ndarray:
    """Centres of up to `k` groups, brought to length 1: k-means from far seeds (k-means++, Arthur & Vassilvitskii 2007).

    Fewer where there are fewer different vectors; a group that loses all its members is dropped.
    """
    import numpy as np

    centres = _seeds(x, k)
    place = None
    for _ in range(ROUNDS):
        # |x|^2 is the same for all centres
        held, now = np.unique(np.argmin((centres**2).sum(axis=1) - 2 * (x @ centres.T), axis=1), return_inverse=True)
        if place is not None and (now == place).all():
            break
        place, centres = now, means(x, now, len(held)).astype(np.float32)
    return unit(centres)


def _seeds(x: np.ndarray, k: int) -> np.ndarray:
    import numpy as np

    rng = np.random.default_rng(0)
    seeds = [int(rng.integers(len(x)))]
    far = _apart(x, x[seeds[0]])
    while len(seeds) < k and far.max() > 0:
        seeds.append(int(rng.choice(len(x), p=far / far.sum())))
        far = np.minimum(far, _apart(x, x[seeds[-1]]))
    found: np.ndarray = x[seeds].astype(np.float32)
    return found


def _apart(x: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """Squared distances; 0 for those within 1e-5, which rounding would make."""
    import numpy as np

    found = (x**2).sum(axis=1) + (seed**2).sum() - 2 * (x @ seed)
    return np.where(found > 1e-5, found, 0.0).astype(np.float64)


def nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Place of the nearest centre of each vector; ties (within 1e-6) to the lower place."""
    import numpy as np

    found: np.ndarray = np.argmax(np.round(x @ centres.T, 6), axis=1)
    return found


def means(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Mean of the rows of each group, float64 [groups, columns]; 0 of an empty one."""
    import numpy as np

    sums, sizes = totals(values, group, groups)
    found: np.ndarray = sums / np.maximum(sizes, 1)[:, None]
    return found


def totals(values: np.ndarray, group: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the rows of each group, [groups, columns], and their numbers, [groups]."""
    import numpy as np

    sizes, sums = np.bincount(group, minlength=groups), np.zeros((groups, values.shape[1]))
    held = np.flatnonzero(sizes)
    starts = np.concatenate([[0], np.cumsum(sizes[held])[:-1]])
    sums[held] = np.add.reduceat(values[np.argsort(group, kind="stable")], starts, axis=0)
    return sums, sizes


def worths(scores: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Mean score of each member in each group, drawn to its mean over all by `PSEUDO` questions: [groups, members]."""
    sums, sizes = totals(scores, group, groups)
    found: np.ndarray = (sums + PSEUDO * scores.mean(axis=0)) / (sizes + PSEUDO)[:, None]
    return found


def others(scores: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """For each question what `worths` says of its group without it: [questions, members]."""
    sums, sizes = totals(scores, group, groups)
    rest = (scores.sum(axis=0) - scores) / max(1, len(scores) - 1)
    found: np.ndarray = (sums[group] - scores + PSEUDO * rest) / (sizes[group] - 1 + PSEUDO)[:, None]
    return found


def ranks(worth: np.ndarray, standing: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Rank of each member in each group from 0, [groups, members]: by worth, then mean score over all, then cost."""
    import numpy as np

    def one(line: np.ndarray) -> np.ndarray:
        """Ranks in one group, from 0."""
        order = np.lexsort((np.nan_to_num(cost, nan=np.inf), -np.round(standing, 12), -np.round(line, 12)))
        return np.argsort(order)

    return np.array([one(line) for line in worth])


def best_groups(x: np.ndarray, scores: np.ndarray, top: int, beta: float, cost: np.ndarray | None = None) -> np.ndarray:
    """Centres of as many groups as route the questions best, each judged by the others; ties to fewer groups. With the
    members' mean `cost`, judged at several prices of it."""
    tried = {k: kmeans(x, k) for k in SIZES if k <= max(1, len(x) // 2)}
    worth = {k: picked(_unseen(x, scores, centres, top, beta), scores, cost) for k, centres in tried.items()}
    return tried[max(worth, key=lambda k: round(worth[k], 9))]


def _unseen(x: np.ndarray, scores: np.ndarray, centres: np.ndarray, top: int, beta: float) -> np.ndarray:
    """`blended` worth for each of the questions, which its own group is taken to hold no more."""
    import numpy as np

    near, weight = nearby(x, centres, top, beta)
    group = near[:, 0]
    worth = worths(scores, group, len(centres))[near]
    worth[:, 0] = others(scores, group, len(centres))
    found: np.ndarray = np.einsum("qk,qkm->qm", weight, worth)
    return found


def blended(table: np.ndarray, near: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean of the lines of `table` [groups, members] of the groups `near`, by `weight`: [questions, members]."""
    import numpy as np

    found: np.ndarray = np.einsum("qk,qkm->qm", weight, table[near])
    return found


def rank_scores(ranks: np.ndarray) -> np.ndarray:
    """1 / (rank + 0.1), so that the first counts ten times the second."""
    return 1 / (ranks + 0.1)


def nearby(x: np.ndarray, centres: np.ndarray, k: int, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """The `k` nearest groups of each question, nearest first, and their weights softmax(-beta * distance), with the
    distance 1 - cosine: two arrays [questions, k]."""
    import numpy as np

    far = 1 - np.round(x @ centres.T, 6).astype(np.float64)
    near = np.argsort(far, axis=1, kind="stable")[:, :k]
    return near, softmax(-beta * np.take_along_axis(far, near, axis=1))


def softmax(z: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    import numpy as np

    e = np.exp(z - z.max(axis=-1, keepdims=True))
    found: np.ndarray = e / e.sum(axis=-1, keepdims=True)
    return found


def categories(x: np.ndarray, names: Sequence[str], k: int) -> tuple[list[str], np.ndarray]:
    """What kinds of questions there are, and the kind of each: their named sub-tasks where there are several, else up to
    `k` groups of like questions."""
    import numpy as np

    known = sorted(set(names))
    if len(known) > 1:
        return known, np.array([known.index(name) for name in names])
    kinds, place = np.unique(nearest(x, kmeans(x, k)), return_inverse=True)
    return [f"group {i + 1}" for i in range(len(kinds))], place
