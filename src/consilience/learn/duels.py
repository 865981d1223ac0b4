"""Members compared two by two: ratings after Bradley and Terry, tiers, and a factorised form that reads the question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from consilience.learn.estimators import one_thread, sigmoid

if TYPE_CHECKING:
    import numpy as np

ELO = 400 / math.log(10)
"""Points of rating per unit of log-odds: 400 points are odds of 10 to 1."""
PENALTY = 1e-6
"""Of a rating's square, per duel of each pair, so that ratings of an undefeated member stay finite."""


def wins(scores: np.ndarray) -> np.ndarray:
    """Duels that each member wins on each question against all others; a draw is half a win: [questions, members]."""
    import numpy as np

    out = np.empty(scores.shape)
    for m, column in enumerate(scores.T):
        gap = column[:, None] - scores
        out[:, m] = (scores.shape[1] - 1 + np.sign(np.where(np.abs(gap) > 1e-12, gap, 0)).sum(axis=1)) / 2
    return out


def bradley_terry(won: np.ndarray, games: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """Maximum-likelihood log-odds of members, [..., members], mean 0, by Newton's method.

    `won` [..., members] are the wins of each, `games` [members, members] how often each pair met (symmetric, in the same
    unit). `start` [members] is where the search begins.
    """
    import numpy as np

    count = won.shape[-1]
    ratings = np.zeros(won.shape) if start is None else np.broadcast_to(start, won.shape).astype(np.float64)
    eye, penalty = np.eye(count), PENALTY * max(float(games.max()), 1e-300)
    for _ in range(50):
        chance = sigmoid(ratings[..., :, None] - ratings[..., None, :])
        slope = won - (games * chance).sum(axis=-1) - penalty * ratings
        bend = games * chance * (1 - chance)
        curve = eye * (bend.sum(axis=-1) + penalty)[..., None] - bend
        step = np.clip(np.linalg.solve(curve, slope[..., None])[..., 0], -2, 2)
        ratings = ratings + step
        if float(np.abs(step).max(initial=0.0)) < 1e-9:
            break
    out: np.ndarray = ratings - ratings.mean(axis=-1, keepdims=True)
    return out


def chances(ratings: np.ndarray) -> np.ndarray:
    """Mean probability of each member to win against the others, [..., members], from log-odds; 0.5 for one alone."""
    count = ratings.shape[-1]
    beats: np.ndarray = sigmoid(ratings[..., :, None] - ratings[..., None, :]).sum(axis=-1) - 0.5
    return beats / (count - 1) if count > 1 else beats + 0.5


def tiers(ratings: Sequence[float], most: int) -> list[int]:
    """The tier of each member: at most `most` runs of the sorted ratings with the least sum of variances within them."""
    import numpy as np

    order = np.argsort(ratings, kind="stable")
    sorted_, count = np.asarray(ratings, np.float64)[order], len(ratings)
    spread = np.array([[sorted_[i:j].var() if j > i else 0.0 for j in range(count + 1)] for i in range(count)])
    best, cut = np.full((most + 1, count + 1), np.inf), np.zeros((most + 1, count + 1), int)
    best[0, 0] = 0.0
    for k in range(1, most + 1):
        for j in range(1, count + 1):
            sums = best[k - 1, :j] + spread[:j, j]
            cut[k, j] = int(sums.argmin())
            best[k, j] = sums[cut[k, j]]
    found, j = [0] * count, count
    for k in range(int(best[:, count].argmin()), 0, -1):
        for place in range(cut[k, j], j):
            found[int(order[place])] = k - 1
        j = cut[k, j]
    return found


def factorise(x: np.ndarray, scores: np.ndarray, seeds: Sequence[int], width: int, steps: int, rate: float,
              noise: float) -> np.ndarray:
    """Learn W [members, width of x] so that x W' are log-odds of duels: W = (w2 * v / |v|) W1, of rank `width`.

    RouteLLM's matrix factorisation: binary cross-entropy over pairs (winner, loser) of the members on a question, draws
    dropped, Gaussian noise on `x` while training; Adam with decoupled decay 1e-5 and 64 questions a step. `seeds` start
    the members' vectors, so that their order means nothing.
    """
    import numpy as np

    rng, ask = np.random.default_rng(0), x.shape[1]
    first, second = rng.uniform(-1, 1, (width, ask)) / math.sqrt(ask), rng.uniform(-1, 1, width) / math.sqrt(width)
    vectors = np.stack([np.random.default_rng(seed).standard_normal(width) for seed in seeds])
    parts = [vectors, first, second]
    slow, square = [np.zeros_like(p) for p in parts], [np.zeros_like(p) for p in parts]
    uneven = np.flatnonzero(np.ptp(scores, axis=1) > 1e-12)
    if not len(uneven):
        return np.zeros((scores.shape[1], ask))
    with one_thread():
        for step in range(1, steps + 1):
            rows = uneven[rng.integers(len(uneven), size=64)]
            seen = x[rows] + noise * rng.standard_normal((64, ask))
            for p, g, s, q in zip(parts, _slopes(*parts, seen, scores[rows]), slow, square, strict=True):
                s += 0.1 * (g - s)
                q += 0.001 * (g * g - q)
                p -= rate * (1e-5 * p + s / (1 - 0.9 ** step) / (np.sqrt(q / (1 - 0.999 ** step)) + 1e-8))
    found: np.ndarray = _unit(parts[0])[0] * parts[2] @ parts[1]
    return found


def _slopes(vectors: np.ndarray, first: np.ndarray, second: np.ndarray, x: np.ndarray,
            scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of the mean loss of a duel."""
    import numpy as np

    unit, length = _unit(vectors)
    hidden = x @ first.T
    odds = hidden @ (unit * second).T
    beats = scores[:, :, None] - scores[:, None, :] > 1e-12
    met = beats | beats.transpose(0, 2, 1)
    slope = (met * sigmoid(odds[:, :, None] - odds[:, None, :]) - beats).sum(axis=2) / beats.sum()
    by_member = slope.T @ hidden
    to_unit = by_member * second
    to_vectors = (to_unit - unit * (to_unit * unit).sum(axis=1, keepdims=True)) / length
    return to_vectors, (slope @ (unit * second)).T @ x, (by_member * unit).sum(axis=0)


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / length, length
