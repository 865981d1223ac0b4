"""Cascade routing (arXiv 2410.10347): which set of members is worth asking, all in all, given the answers seen so far.

A *supermodel* is a set of members that are all asked, the best of whose answers is given. It is worth the expected maximum
of its members' qualities, less the price of its cost. Sets are numbered as in `subsets`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

from consilience.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np

POINTS = 128
"""Scrambled Sobol points for expected maxima (a power of two keeps them balanced)."""
PENALTY = 1.0
"""Ridge penalty of what evidence adds to an estimate."""
FAILED = -10.0
"""Quality of an answer that did not come, or cannot be read."""
_CELLS = 4_000_000


def subsets(members: int, depth: int) -> list[tuple[int, ...]]:
    """All sets of up to `depth` members, by size."""
    return [s for n in range(min(members, depth) + 1) for s in combinations(range(members), n)]


def normals(members: int) -> np.ndarray:
    """Standard normal points [POINTS, members] of mean 0."""
    from statistics import NormalDist

    import numpy as np

    try:
        from scipy.stats.qmc import Sobol  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtraError("route", "fitting cascade-routing") from None
    even = Sobol(members, scramble=True, rng=0).random(POINTS)
    points = np.vectorize(NormalDist().inv_cdf)(np.clip(even, 1e-9, 1 - 1e-9))
    return np.asarray(points - points.mean(axis=0))


def root(covariance: np.ndarray) -> np.ndarray:
    """A matrix R with R R' = covariance, of one that may be singular."""
    import numpy as np

    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def expected_best(quality: np.ndarray, spread: np.ndarray, points: np.ndarray, sets: Sequence[tuple[int, ...]]) -> np.ndarray:
    """E[max of a set's qualities], [questions, sets], for quality ~ Normal(`quality` [questions, members],
    `spread` `spread`'). The empty set has -1e8, so that somebody is asked."""
    import numpy as np

    out = np.full((len(quality), len(sets)), -1e8)
    step = max(1, _CELLS // (len(points) * quality.shape[1]))
    for start in range(0, len(quality), step):
        rows = slice(start, start + step)
        drawn = quality[rows, None, :] + points @ spread.T
        for k, members in enumerate(sets):
            if members:
                out[rows, k] = drawn[:, :, list(members)].max(axis=2).mean(axis=1)
    return out


@dataclass(frozen=True, slots=True)
class Lattice:
    """All sets of up to `depth` members of these costs. For each set: those that hold it (itself among them), cheap to
    dear; what these cost in all; and the set with one member more on the way there, the cheapest first."""

    sets: tuple[tuple[int, ...], ...]
    wider: tuple[tuple[int, ...], ...]
    totals: tuple[np.ndarray, ...]
    towards: tuple[np.ndarray, ...]


@lru_cache(maxsize=8)
def lattice(cost: tuple[float, ...], depth: int) -> Lattice:
    """The lattice over members of these costs."""
    import numpy as np

    sets = subsets(len(cost), depth)
    number = {members: k for k, members in enumerate(sets)}
    price = [sum(cost[m] for m in members) for members in sets]
    wider = [sorted((k for k, wide in enumerate(sets) if set(wide) >= set(members)), key=lambda k: (price[k], len(sets[k])))
             for members in sets]

    def towards(here: tuple[int, ...], goal: int) -> int:
        """Number of the set with one member more of the goal, the cheapest; of the same set where it has all."""
        more = min((m for m in sets[goal] if m not in here), key=lambda m: (cost[m], m), default=None)
        return number[here] if more is None else number[tuple(sorted((*here, more)))]

    return Lattice(tuple(sets), tuple(map(tuple, wider)), tuple(np.array([price[k] for k in wide]) for wide in wider),
                   tuple(np.array([towards(here, k) for k in wide]) for here, wide in zip(sets, wider, strict=True)))


@dataclass(frozen=True, slots=True)
class Planner:
    """Decides whom to ask next: `cost` of each member in dollars (or calls), `roots` [sets, members, members] of the
    covariances of what is still unknown after each set has answered, `points` as of `normals`."""

    cost: tuple[float, ...]
    depth: int
    roots: np.ndarray
    points: np.ndarray

    @property
    def lattice(self) -> Lattice:
        """All sets that may be asked."""
        return lattice(self.cost, self.depth)

    def gains(self, state: int, quality: np.ndarray) -> np.ndarray:
        """Expected best of each set of `wider[state]`, [questions, sets]; `quality` is [questions, members]."""
        known = self.lattice
        return expected_best(quality, self.roots[state], self.points, [known.sets[k] for k in known.wider[state]])

    def onward(self, state: int, gains: np.ndarray, price: float, dear: np.ndarray) -> np.ndarray:
        """The set to be in next, [questions]: the same to stop, or one member more, the cheapest of the best supermodel.
        Among equals (8 digits) the cheapest supermodel, where `dear` the dearest."""
        import numpy as np

        worth = np.round(gains - price * self.lattice.totals[state], 8)
        first, last = worth.argmax(axis=1), worth.shape[1] - 1 - worth[:, ::-1].argmax(axis=1)
        found: np.ndarray = self.lattice.towards[state][np.where(dear, last, first)]
        return found

    def slopes(self, gains: np.ndarray) -> np.ndarray:
        """Score that each further member adds per dollar, for every set and question: where plans change. `gains` are
        those of the empty set."""
        import numpy as np

        known, out = self.lattice, [np.zeros(0)]
        column = {known.sets[k]: gains[:, place] for place, k in enumerate(known.wider[0])}
        for asked in known.sets:
            for m in asked if len(asked) > 1 else ():
                if self.cost[m] > 0:
                    out.append((column[asked] - column[tuple(x for x in asked if x != m)]) / self.cost[m])
        for a, b in combinations(range(len(self.cost)), 2):
            if abs(self.cost[a] - self.cost[b]) > 1e-15:
                out.append((column[(a,)] - column[(b,)]) / (self.cost[a] - self.cost[b]))
        return np.concatenate(out)


def columns(members: int) -> list[tuple[int, ...]]:
    """What each column of evidence speaks of: one member's answer, or whether two agree."""
    return [*((m,) for m in range(members)), *combinations(range(members), 2)]


def revealed(asked: Sequence[int], members: int) -> np.ndarray:
    """Which columns of evidence are known once these members have answered."""
    import numpy as np

    return np.array([set(column) <= set(asked) for column in columns(members)])


def evidence(ratings: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Columns of evidence [questions, columns] from `ratings` and classes of equal readings [questions, members] (below 0:
    none)."""
    import numpy as np

    agree = [(classes[:, a] == classes[:, b]) & (classes[:, a] >= 0) for a, b in combinations(range(ratings.shape[1]), 2)]
    return np.column_stack([ratings, *agree]).astype(float)


def fit_posts(sets: Sequence[tuple[int, ...]], ante: np.ndarray, seen: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """What evidence adds to the estimates before any answer, for every set of members that have answered: ridge
    regression of `scores - ante` on the columns that are known then. [sets, columns + 1, members], the last row constants.
    """
    import numpy as np

    missing = scores - ante
    out = np.zeros((len(sets), seen.shape[1] + 1, scores.shape[1]))
    for k, asked in enumerate(sets):
        known = revealed(asked, scores.shape[1])
        if not known.any():
            continue
        middle, rest = seen[:, known].mean(axis=0), missing.mean(axis=0)
        x = seen[:, known] - middle
        weights = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ (missing - rest))
        out[k, :-1][known], out[k, -1] = weights, rest - middle @ weights
    return out


def after(posts: np.ndarray, ante: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Quality of all members [questions, members] once a set has answered; `posts` are that set's of `fit_posts`."""
    found: np.ndarray = ante + seen @ posts[:-1] + posts[-1]
    return found


def mixing(budget: float, cheap: float, dear: float) -> float:
    """Gamma: the share of ties that go to the dearest, so that the mean cost meets the budget."""
    return min(1.0, max(0.0, (budget - cheap) / (dear - cheap))) if dear != cheap else 0.0

