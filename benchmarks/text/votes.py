"""Votes of real models' recorded answers, counted for many teams at once.

The answers are read and grouped by the library once per question; a vote of some of the members is then arithmetic over
these classes, in the order of `MajorityVote`: heaviest class, then the class whose best voter is better on dev, then team
order. `run.py` holds the counts against the library's own teams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from consilience.bench.statistics import flips, percentiles, resampled_means
from consilience.method import Scored
from consilience.model import Model
from consilience.tasks.score import Unscored
from consilience.tasks.task import Split, windowed
from consilience.team import run_sync
from consilience.types import Example

WEIGHTS = ("equal", "accuracy", "log-odds")
"""Weights of a vote that answers alone allow."""


@dataclass(frozen=True)
class Ballots:
    """What every member did on every question, [questions, members]: `classes` of equal answers (-1: none could be read),
    `score` (see `mark`), whether it `spoke`, `cost` in dollars (NaN: unknown), and the `published` score."""

    classes: np.ndarray
    score: np.ndarray
    spoke: np.ndarray
    cost: np.ndarray
    published: np.ndarray

    @classmethod
    def of(cls, members: Sequence[Model], examples: Sequence[Example]) -> Ballots:
        """Ask the recorded members, through the library."""
        rows = run_sync(Split("all", tuple(examples)).replies(members))
        by_question = [list(answers) for answers in zip(*rows, strict=True)]

        async def group(place: int) -> list[int]:
            readings = [s.reply.reading if s.reply is not None and s.reply.text else None for s in by_question[place]]
            format = examples[place].request.format
            found = await format.group(readings) if format is not None else [None] * len(readings)
            return [-1 if number is None else number for number in found]

        async def score(place: int) -> list[float]:
            return [await mark(examples[place], scored) for scored in by_question[place]]

        classes, scores = (run_sync(windowed(work, range(len(examples)), 64)) for work in (group, score))
        return cls(np.array(classes), np.array(scores),
                   _table(by_question, lambda s: s.reply is not None and bool(s.reply.text)).astype(bool),
                   _table(by_question, lambda s: np.nan if s.reply is None or s.reply.cost is None else s.reply.cost),
                   _table(by_question, lambda s: s.score))

    def at(self, questions: np.ndarray) -> Ballots:
        """Some of the questions."""
        return Ballots(self.classes[questions], self.score[questions], self.spoke[questions], self.cost[questions], self.published[questions])


async def mark(example: Example, scored: Scored) -> float:
    """The score of a reply as the library reads it, so that equal answers score alike; the published one where the recording
    has no reference."""
    format = example.request.format
    if scored.reply is None or format is None or isinstance(format, Unscored):
        return scored.score
    return await format.score(scored.reply.reading, example.references)


def _table(rows: Sequence[Sequence[Scored]], value) -> np.ndarray:
    return np.array([[float(value(scored)) for scored in row] for row in rows])


def worth(standing: np.ndarray, options: np.ndarray, weights: str) -> np.ndarray:
    """Weight of a vote as `MajorityVote` has it, of dev scores and numbers of answers seen (arrays that broadcast)."""
    if weights == "log-odds":
        p = np.clip(standing, 0.01, 0.99)
        return np.maximum(0.0, np.log(p * (np.maximum(2, options) - 1) / (1 - p)))
    return np.broadcast_to(standing if weights == "accuracy" else 1.0, np.broadcast_shapes(standing.shape, options.shape))


def weigh(standing: np.ndarray, classes: np.ndarray, weights: str) -> np.ndarray:
    """Weight of every vote, [questions, members]."""
    seen = np.array([len(set(row[row >= 0].tolist())) for row in classes])
    return worth(standing[None, :], seen[:, None], weights)


def elected(classes: np.ndarray, spoke: np.ndarray, standing: np.ndarray, weights: str = "equal") -> np.ndarray:
    """Which member's reply answers each question (the first of the winning class), -1 where nobody said anything. Of
    arrays [questions, members] and dev scores [members]."""
    read = classes >= 0
    same = (classes[:, :, None] == classes[:, None, :]) & read[:, :, None]
    weight = np.where(read, weigh(standing, classes, weights), 0.0)
    total = np.round((same * weight[:, None, :]).sum(axis=2), 9)
    best = np.where(same, standing, -1.0).max(axis=2)
    alive = read & (np.argmax(same, axis=2) == np.arange(classes.shape[1]))
    for key in (total, best):
        level = np.where(alive, key, -np.inf)
        alive &= level == level.max(axis=1, keepdims=True)
    nobody = ~read.any(axis=1)
    fallback = np.where(spoke, standing, -1.0)
    winner = np.where(nobody, fallback.argmax(axis=1), alive.argmax(axis=1))
    return np.where(spoke.any(axis=1), winner, -1)


def voted(ballots: Ballots, standing: np.ndarray, team: Sequence[int], weights: str = "equal") -> np.ndarray:
    """Scores of the vote of some members, [questions]."""
    members = sorted(team)
    pick = elected(ballots.classes[:, members], ballots.spoke[:, members], standing[members], weights)
    return np.where(pick >= 0, ballots.score[:, members][np.arange(len(pick)), pick], 0.0)


def ranking(standing: np.ndarray) -> list[int]:
    """Members, best on dev first; ties in team order."""
    return sorted(range(len(standing)), key=lambda i: (-round(float(standing[i]), 12), i))


def subsets(n: int, k: int, most: int, seed: int) -> list[tuple[int, ...]]:
    """All sets of k of n members, or `most` different ones drawn with a seed where there are more."""
    if comb(n, k) <= most:
        return list(combinations(range(n), k))
    rng, found = np.random.default_rng([seed, n, k]), dict[tuple[int, ...], None]()
    while len(found) < most:
        found[tuple(sorted(rng.choice(n, k, replace=False).tolist()))] = None
    return list(found)


def correlation(right: np.ndarray) -> float:
    """Mean correlation (phi) of two members' errors over all pairs; members that are always right or always wrong have
    none and are left out. Of right or wrong, [questions, members]."""
    table = right[:, (right.std(axis=0) > 0)].astype(float)
    n = table.shape[1]
    return float((np.corrcoef(table.T).sum() - n) / (n * (n - 1))) if n > 1 else float("nan")


def echoed(ballots: Ballots) -> float:
    """How often two members that are both wrong (and read) give the same answer, over all pairs."""
    wrong = (ballots.score < 0.5) & (ballots.classes >= 0)
    both = wrong[:, :, None] & wrong[:, None, :] & ~np.eye(wrong.shape[1], dtype=bool)
    same = ballots.classes[:, :, None] == ballots.classes[:, None, :]
    return float((both & same).sum() / max(1, both.sum()))


def independent_majority(p: np.ndarray) -> float:
    """Probability that more than half of the members are right, were they right independently with these probabilities."""
    counts = np.array([1.0])
    for one in p:
        counts = np.convolve(counts, [1 - one, one])
    return float(counts[len(p) // 2 + 1:].sum())


@dataclass(frozen=True)
class Figure:
    """A mean over questions with its 95% interval and, for differences, the p-value of sign flips."""

    value: float
    low: float
    high: float
    p: float = float("nan")

    @classmethod
    def of(cls, per_question: np.ndarray, tested: bool = False) -> Figure:
        """Of values by question (NaN: not asked)."""
        known = per_question[~np.isnan(per_question)]
        span = percentiles(resampled_means(known, resamples=2000))
        return cls(float(known.mean()), span.low, span.high, flips(known, resamples=2000) if tested else float("nan"))


class Pages:
    """Values by question, gathered over splits: a question counts once, with its mean over the splits (and subsets) in
    which it was asked."""

    def __init__(self, questions: int) -> None:
        self.sums: dict[str, np.ndarray] = {}
        self.counts: dict[str, np.ndarray] = {}
        self.questions = questions

    def add(self, name: str, where: np.ndarray, values: np.ndarray) -> None:
        """Book the values of these questions."""
        for table, part in ((self.sums, values), (self.counts, 1.0)):
            np.add.at(table.setdefault(name, np.zeros(self.questions)), where, part)

    def mean(self, name: str) -> np.ndarray:
        """[questions], NaN where it was never asked."""
        counts = self.counts[name]
        return np.where(counts > 0, self.sums[name] / np.maximum(counts, 1), np.nan)

    def figure(self, name: str) -> Figure:
        """The mean."""
        return Figure.of(self.mean(name))

    def difference(self, name: str, other: str) -> Figure:
        """The paired difference."""
        return Figure.of(np.round(self.mean(name) - self.mean(other), 9), tested=True)
