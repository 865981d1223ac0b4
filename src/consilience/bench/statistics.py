"""Intervals, paired tests and what a team can gain: numpy only.

Sources: Wilson 1927; McNemar 1947; Holm 1979; Adding Error Bars to Evals, arXiv 2411.00640 (clustered errors).
Scores are arrays over the same questions in the same order; `clusters` are labels of equal length, or None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
Z = 1.959963984540054
"""Standard normal quantile of .975."""

_CELLS = 1_000_000
"""Size of the blocks in which resamples are drawn, in numbers."""

_KINDS = 64
"""Up to so many distinct values, counts are resampled instead of questions."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95% interval."""

    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether zero lies inside."""
        return self.low <= 0.0 <= self.high


def wilson(successes: float, n: int) -> Interval:
    """Wilson's score interval of a proportion."""
    if n == 0:
        return Interval(0.0, 1.0)
    p, z2 = successes / n, Z * Z
    middle, half = p + z2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Interval(max(0.0, (middle - half) / (1 + z2 / n)), min(1.0, (middle + half) / (1 + z2 / n)))


def standard_error(scores: np.ndarray, clusters: Sequence[str] | None = None) -> float:
    """Standard error of the mean: sd/sqrt(n), or cluster-robust: sqrt(sum_g (sum_{i in g} d_i)^2) / n."""
    n = len(scores)
    if clusters is None:
        return float(np.std(scores, ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    sums = _sums((scores - scores.mean())[:, None], clusters)[:, 0]
    return float(np.sqrt((sums**2).sum()) / n)


def _sums(columns: np.ndarray, clusters: Sequence[str]) -> np.ndarray:
    """Sums over clusters, [clusters, columns]."""
    _, places = np.unique(np.asarray(clusters), return_inverse=True)
    out = np.zeros((places.max() + 1, columns.shape[1]))
    np.add.at(out, places, columns)
    return out


def shared_source(clusters: Sequence[str]) -> Sequence[str] | None:
    """The labels if any source has two questions, else None. A question without a label is a source of its own."""
    own = [label or f"\0{place}" for place, label in enumerate(clusters)]
    return own if len(set(own)) < len(own) else None


def resampled_means(scores: np.ndarray, clusters: Sequence[str] | None = None, *, resamples: int = RESAMPLES,
                    seed: int = 0) -> np.ndarray:
    """Bootstrap means, [resamples]: questions (or whole clusters) are drawn with replacement. For a paired comparison
    give the differences. Where few values occur (right or wrong) their counts are drawn at once, from the multinomial
    distribution that resampling amounts to."""
    sums = scores.astype(float) if clusters is None else _sums(scores[:, None].astype(float), clusters)[:, 0]
    sizes = np.ones(len(sums)) if clusters is None else _sums(np.ones((len(scores), 1)), clusters)[:, 0]
    rng, n = np.random.default_rng(seed), len(sums)
    kinds, counts = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)
    if len(kinds) <= _KINDS:
        drawn = rng.multinomial(n, counts / n, size=resamples)
        found: np.ndarray = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
        return found
    blocks, step = [], max(1, _CELLS // n)
    for start in range(0, resamples, step):
        picks = rng.integers(0, n, size=(min(step, resamples - start), n), dtype=np.int32)
        blocks.append(sums[picks].sum(axis=1) / sizes[picks].sum(axis=1))
    return np.concatenate(blocks)


def percentiles(means: np.ndarray) -> Interval:
    """The percentile interval of bootstrap means."""
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def interval_of_mean(scores: np.ndarray, clusters: Sequence[str] | None = None) -> Interval:
    """Of the mean of scores in 0..1: Wilson's where they are right or wrong and independent, else the bootstrap's. Where
    resampling shows no spread at all (one question, or equal ones), Wilson's for as many questions as there are units."""
    if clusters is None and is_binary(scores):
        return wilson(float(scores.sum()), len(scores))
    found = percentiles(resampled_means(scores, clusters))
    units = _units(scores, clusters)
    return found if found.high > found.low else wilson(float(scores.mean()) * units, units)


def interval_of_difference(differences: np.ndarray, clusters: Sequence[str] | None = None) -> Interval:
    """Of the mean of paired differences, by the bootstrap. Where all units differ alike, resampling shows no spread, and a
    handful of them would prove anything: then the unseen ones (Wilson's bound on their share) are taken to differ the other
    way. Equal scores on all questions are no difference."""
    found = percentiles(resampled_means(differences, clusters))
    if found.high > found.low or found.low == 0:
        return found
    units = _units(differences, clusters)
    other = found.low * (2 * wilson(units, units).low - 1)
    return Interval(min(other, found.low), max(other, found.low))


def _units(scores: np.ndarray, clusters: Sequence[str] | None) -> int:
    return len(scores) if clusters is None else len(set(clusters))


def is_binary(scores: np.ndarray) -> bool:
    """Whether all scores are 0 or 1."""
    return bool(np.isin(scores, (0.0, 1.0)).all())


def mcnemar(a: np.ndarray, b: np.ndarray) -> float:
    """Exact two-sided p-value of McNemar's test: only questions on which one is right and the other wrong count."""
    wins, losses = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    return sign_test(wins, losses)


def sign_test(wins: int, losses: int) -> float:
    """min(1, 2 P(Bin(wins + losses, 1/2) <= min(wins, losses)))."""
    n, k = wins + losses, min(wins, losses)
    if n == 0:
        return 1.0
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2) for i in range(k + 1)]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def flips(differences: np.ndarray, clusters: Sequence[str] | None = None, *, resamples: int = RESAMPLES,
          seed: int = 0) -> float:
    """Two-sided p-value of the sign-flip permutation test on paired differences (of clusters, where there are any);
    all sign patterns where there are at most 2^13 of them."""
    units = differences if clusters is None else _sums(differences[:, None], clusters)[:, 0]
    units = units[units != 0]
    if len(units) == 0:
        return 1.0
    seen = abs(units.sum()) * (1 - 1e-12)
    if len(units) <= 13:
        signs = 1 - 2 * ((np.arange(2 ** len(units))[:, None] >> np.arange(len(units))) & 1)
        return float((np.abs(signs @ units) >= seen).mean())
    rng, extreme = np.random.default_rng(seed), 0
    step = max(1, _CELLS // len(units))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        signs = rng.integers(0, 2, size=(rows, len(units)), dtype=np.int8) * 2.0 - 1
        extreme += int((np.abs(signs @ units) >= seen).sum())
    return (extreme + 1) / (resamples + 1)


def paired_p(a: np.ndarray, b: np.ndarray, clusters: Sequence[str] | None = None) -> float:
    """p-value of `a` against `b`: McNemar's exact test for right/wrong without clusters, else sign flips."""
    if clusters is None and is_binary(a) and is_binary(b):
        return mcnemar(a, b)
    return flips(a - b, clusters)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: adj_(i) = max_{j<=i} min(1, (m-j+1) p_(j))."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    out, worst = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, (len(values) - rank) * values[place]))
        out[place] = worst
    return out


@dataclass(frozen=True, slots=True)
class Headroom:
    """What a perfect choice among members would gain. `captured` is a team's share of it, nan without headroom."""

    oracle: float
    best: float

    @property
    def gap(self) -> float:
        """Oracle minus best single member."""
        return self.oracle - self.best

    def captured(self, team: float) -> float:
        """(team - best) / (oracle - best)."""
        return (team - self.best) / self.gap if self.gap > 1e-12 else math.nan


def headroom(members: np.ndarray) -> Headroom:
    """Of scores [members, questions]; the best member is the best on these questions."""
    return Headroom(float(members.max(axis=0).mean()), float(members.mean(axis=1).max()))


@dataclass(frozen=True, slots=True)
class Emergence:
    """Questions that no member answered: `unsolved` of them, of which the team answered `solved`; and `lost`, those
    that some member answered and the team did not, out of `solvable`."""

    unsolved: int
    solved: int
    solvable: int
    lost: int

    @property
    def share(self) -> float:
        """P(team right | all members wrong); nan when there is no such question."""
        return self.solved / self.unsolved if self.unsolved else math.nan

    @property
    def interval(self) -> Interval:
        """Wilson's interval of the share."""
        return wilson(self.solved, self.unsolved)


def emergence(members: np.ndarray, team: np.ndarray, right: float = 0.5) -> Emergence:
    """Of scores [members, questions] and [questions]; a score of at least `right` counts as solved."""
    able, won = (members >= right).any(axis=0), team >= right
    return Emergence(int((~able).sum()), int((~able & won).sum()), int(able.sum()), int((able & ~won).sum()))


def pareto(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Places of the points that nothing beats: cheaper or equal, and better. Equal points stay together; sorted by
    cost."""
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -scores[i]))
    front: list[int] = []
    for i in order:
        if not front or scores[i] > scores[front[-1]] or (costs[i], scores[i]) == (costs[front[-1]], scores[front[-1]]):
            front.append(i)
    return front


def disagreement(members: np.ndarray) -> float:
    """Mean over pairs of the share of questions on which exactly one of two members is right."""
    right = members >= 0.5
    pairs = [(right[i] != right[j]).mean() for i in range(len(right)) for j in range(i)]
    return float(np.mean(pairs)) if pairs else 0.0
