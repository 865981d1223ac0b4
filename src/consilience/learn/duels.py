"""Members compared two by two: ratings after Bradley and Terry, tiers, and a factorised form that reads the question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from consilience.learn.estimators import held_out, sigmoid
from consilience.learn.gradient import Descent, Weights

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
    """The tier of each member: `most` runs of the sorted ratings (one per member if there are fewer) with the least sum of
    variances within them."""
    import numpy as np

    order = np.argsort(ratings, kind="stable")
    sorted_, count = np.asarray(ratings, np.float64)[order], len(ratings)
    most = min(most, count)
    spread = np.array([[sorted_[i:j].var() if j > i else 0.0 for j in range(count + 1)] for i in range(count)])
    best, cut = np.full((most + 1, count + 1), np.inf), np.zeros((most + 1, count + 1), int)
    best[0, 0] = 0.0
    for k in range(1, most + 1):
        for j in range(1, count + 1):
            sums = best[k - 1, :j] + spread[:j, j]
            cut[k, j] = int(sums.argmin())
            best[k, j] = sums[cut[k, j]]
    found, j = [0] * count, count
    for k in range(most, 0, -1):
        for place in range(cut[k, j], j):
            found[int(order[place])] = k - 1
        j = cut[k, j]
    return found


def factorise(x: np.ndarray, scores: np.ndarray, seeds: Sequence[int], width: int, steps: int, rate: float,
              noise: float) -> np.ndarray:
    """Learn W [members, width of x] so that x W' are log-odds of duels: W = (w2 * v / |v|) W1, of rank `width`.

    RouteLLM's matrix factorisation: binary cross-entropy over pairs (winner, loser) of the members on a question, draws
    dropped, Gaussian noise on `x` while training, 64 questions a step. All members start equal, and differ only as far as
    questions that were not trained on bear it out. `seeds` start the members' vectors, so that their order means nothing.
    """
    import numpy as np

    rng, ask = np.random.default_rng(0), x.shape[1]
    uneven = np.flatnonzero(np.ptp(scores, axis=1) > 1e-12)
    if not len(uneven):
        return np.zeros((scores.shape[1], ask))
    seen, held = (uneven[rows] for rows in held_out(len(uneven), rng))
    start = {"vectors": np.stack([np.random.default_rng(seed).standard_normal(width) for seed in seeds]),
             "first": rng.uniform(-1, 1, (width, ask)) / math.sqrt(ask), "second": np.zeros(width)}

    def slope(weights: Weights, step: int) -> Weights:
        """Gradient on 64 random questions, with noise."""
        rows = rng.choice(seen, 64)
        return _slopes(weights, x[rows] + noise * rng.standard_normal((64, ask)), scores[rows])

    return _odds(Descent(steps, rate, 1e-5).down(start, slope, lambda w: -_loss(w, x[held], scores[held])))


def _odds(weights: Weights) -> np.ndarray:
    found: np.ndarray = _unit(weights["vectors"])[0] * weights["second"] @ weights["first"]
    return found


def _loss(weights: Weights, x: np.ndarray, scores: np.ndarray) -> float:
    """Mean loss of a duel."""
    import numpy as np

    odds, beats = x @ _odds(weights).T, _beats(scores)
    return float(np.logaddexp(0, odds[:, None, :] - odds[:, :, None])[beats].mean())


def _slopes(weights: Weights, x: np.ndarray, scores: np.ndarray) -> Weights:
    """Gradients of the mean loss of a duel."""
    (unit, length), first, second = _unit(weights["vectors"]), weights["first"], weights["second"]
    hidden, beats = x @ first.T, _beats(scores)
    odds = hidden @ (unit * second).T
    met = beats | beats.transpose(0, 2, 1)
    slope = (met * sigmoid(odds[:, :, None] - odds[:, None, :]) - beats).sum(axis=2) / beats.sum()
    by_member = slope.T @ hidden
    to_unit = by_member * second
    return {"vectors": (to_unit - unit * (to_unit * unit).sum(axis=1, keepdims=True)) / length,
            "first": (slope @ (unit * second)).T @ x, "second": (by_member * unit).sum(axis=0)}


def _beats(scores: np.ndarray) -> np.ndarray:
    """Whether one member scores more than another, [questions, members, members]."""
    more: np.ndarray = scores[:, :, None] - scores[:, None, :] > 1e-12
    return more


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / length, length
