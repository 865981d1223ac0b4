"""Whom a cascade asks in which order, and when it stops: every way of doing so, tried on what dev has shown.

A *rung* is a member that is asked and judged; the last member of a list answers unjudged. A plan is a list of members with
one choice (such as a threshold) for each rung of it. Plans are tried on arrays alone, so thousands take a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, product
from math import comb
from typing import TYPE_CHECKING

from consilience.learn.goals import Trials

if TYPE_CHECKING:
    import numpy as np

CUTS = 100
"""Thresholds per rung, at most: quantiles of the confidences seen."""
NEVER = 2.0
"""A threshold that no confidence reaches."""
PLANS = 400
"""Plans that are laid before the user's target, at most."""
POLISHED, ROUNDS = 20, 5
"""Plans whose choices are tried one by one, once the grid has found them, and how often at most."""
FINE = 10
"""Steps of the grid below which only plans whose rungs pass on ever larger shares are in it."""

_WORK = 1e8
"""Cells (plans x rungs x questions) that one search may look at."""
_GRIDDED = 30_000
"""Plans that one grid may hold."""
_SAMPLE = 2000
"""Questions on which plans are searched; those found are tried on all."""
_CHUNK = 4_000_000
_GRIDS = (CUTS + 1, 80, 60, 50, 40, 30, 25, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1)


@dataclass(frozen=True, slots=True)
class Did:
    """Score, cost (US dollars, NaN where unknown) and seconds: float [members, questions]."""

    score: np.ndarray
    cost: np.ndarray
    seconds: np.ndarray

    def among(self, rows: np.ndarray) -> Did:
        """Some of the questions."""
        return Did(self.score[:, rows], self.cost[:, rows], self.seconds[:, rows])


@dataclass(frozen=True, slots=True)
class Plan:
    """Members in the order of asking, and the place of the choice made at each but the last."""

    order: tuple[int, ...]
    picks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Ladder:
    """What members do on dev, as rungs (`tried`, with all that it takes to judge them) and as the last (`asked`).

    `accept[m]` [choices, questions] tells where a choice at member m takes its answer, from the choice that passes least
    on. `sure` [members, questions] is its confidence, below 0 for no answer or none that can be read; `read` whether the
    answer of a last member can be read: where it cannot, the surest before it answers.
    """

    tried: Did
    asked: Did
    sure: np.ndarray
    read: np.ndarray
    accept: tuple[np.ndarray, ...]

    def among(self, rows: np.ndarray) -> Ladder:
        """Some of the questions."""
        return Ladder(self.tried.among(rows), self.asked.among(rows), self.sure[:, rows], self.read[:, rows],
                      tuple(a[:, rows] for a in self.accept))

    def play(self, order: Sequence[int], picks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Score, cost and seconds [plans, questions] of plans over one list of members; `picks` [plans, rungs]."""
        import numpy as np

        shape = (len(picks), self.sure.shape[1])
        score, cost, seconds, going = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.ones(shape, bool)
        for place, m in enumerate(order[:-1]):
            cost += np.where(going, self.tried.cost[m], 0.0)
            seconds += np.where(going, self.tried.seconds[m], 0.0)
            stop = going & self.accept[m][picks[:, place]]
            score += np.where(stop, self.tried.score[m], 0.0)
            going &= ~stop
        last = order[-1]
        score += np.where(going, self._at_last(order), 0.0)
        cost += np.where(going, self.asked.cost[last], 0.0)
        seconds += np.where(going, self.asked.seconds[last], 0.0)
        return score, cost, seconds

    def reach(self, plan: Plan) -> list[float]:
        """Share of the questions that come to each member of a plan."""
        import numpy as np

        going, shares = np.ones(self.sure.shape[1], bool), [1.0]
        for m, pick in zip(plan.order, plan.picks, strict=False):
            going = going & ~self.accept[m][pick]
            shares.append(round(float(going.mean()), 6))
        return shares

    def _at_last(self, order: Sequence[int]) -> np.ndarray:
        """Score of whoever answers when all rungs have passed the question on, [questions]."""
        import numpy as np

        last = self.asked.score[order[-1]]
        if len(order) == 1:
            return last
        early = list(order[:-1])[::-1]      # of equally sure ones the later answers
        surest = np.argmax(self.sure[early], axis=0)
        held = self.read[order[-1]] | (self.sure[early].max(axis=0) < 0)
        found: np.ndarray = np.where(held, last, self.tried.score[early][surest, np.arange(len(last))])
        return found

    def trials(self, plans: Sequence[Plan], best: np.ndarray) -> Trials:
        """What each plan would have done; `best` are the scores of the best single member."""
        import numpy as np

        parts = [self.play(p.order, np.array([p.picks], dtype=np.int64).reshape(1, -1)) for p in plans]
        score, cost, seconds = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Trials(score, cost, seconds, best)

    def plans(self, lists: Sequence[tuple[int, ...]], latency: float | None = None) -> list[Plan]:
        """Plans over these lists that no other beats in both score and cost, cheap to dear, at most `PLANS`.

        FrugalGPT's search: a grid over quantiles of each rung's confidences, as fine as time allows, then every choice of
        the best plans by itself. `latency` (seconds in 95 of 100 questions) leaves out slower plans as long as some keep
        to it.
        """
        import numpy as np

        if self.sure.shape[1] > _SAMPLE:
            rows = np.sort(np.random.default_rng(0).permutation(self.sure.shape[1])[:_SAMPLE])
            return self.among(rows).plans(lists, latency)
        found = self._front(list(self._grid(lists)), latency)
        longest = max(len(order) for order in lists)
        for _ in range(ROUNDS if longest > 1 else 0):
            few, before = found[::-(-len(found) // POLISHED)], found
            tries = max(2, int(_WORK / (len(few) * longest ** 2 * self.sure.shape[1])))
            found = self._front([*found, *(q for p in few for q in self._beside(p, tries))], latency)
            if found == before:
                break
        return found[::-(-len(found) // PLANS)] if len(found) > PLANS else found

    def _grid(self, lists: Sequence[tuple[int, ...]]) -> Iterator[Plan]:
        most = min(_GRIDDED, _WORK / (self.sure.shape[1] * max(len(order) for order in lists)))
        fine = max((g for g in _GRIDS if sum(g ** (len(order) - 1) for order in lists) <= most), default=1)
        rising = max((g for g in _GRIDS if sum(comb(g + len(o) - 2, max(1, len(o)) - 1) for o in lists) <= most), default=1)
        for order in lists:
            ends = [len(self.accept[m]) - 1 for m in order[:-1]]
            if fine >= FINE:
                yield from (Plan(order, picks) for picks in product(*(_spaced(end, fine) for end in ends)))
                continue
            steps = [_spaced(end, rising, repeat=True) for end in ends]
            for shares in combinations_with_replacement(range(rising), len(ends)):
                yield Plan(order, tuple(places[share] for places, share in zip(steps, shares, strict=True)))

    def _beside(self, plan: Plan, tries: int) -> Iterator[Plan]:
        """Plans with one other choice."""
        for place, m in enumerate(plan.order[:-1]):
            count = len(self.accept[m])
            for pick in range(0, count, -(-count // tries)):
                yield replace(plan, picks=(*plan.picks[:place], pick, *plan.picks[place + 1:]))

    def _front(self, plans: Sequence[Plan], latency: float | None) -> list[Plan]:
        import numpy as np

        by_list: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        for plan in dict.fromkeys(plans):
            by_list.setdefault(plan.order, []).append(plan.picks)
        plans = [Plan(order, picks) for order, several in by_list.items() for picks in several]
        told = np.concatenate([self._told(order, picks, latency is not None) for order, picks in by_list.items()])
        timely = told[:, 2] <= max(latency or 0.0, float(told[:, 2].min()))
        front, most = [], -np.inf
        for i in np.lexsort((-told[:, 0], told[:, 1])):
            if timely[i] and told[i, 0] > most + 1e-12:
                front.append(plans[i])
                most = told[i, 0]
        return front

    def _told(self, order: tuple[int, ...], picks: Sequence[tuple[int, ...]], timed: bool) -> np.ndarray:
        """Mean score, cost (calls where dollars are unknown) and, if wanted, latency of plans over one list."""
        import numpy as np

        known = not np.isnan(self.tried.cost).any() and not np.isnan(self.asked.cost).any()
        ladder = self if known else replace(self, tried=_by_calls(self.tried), asked=_by_calls(self.asked))
        rows, step = np.array(picks, dtype=np.int64).reshape(len(picks), -1), max(1, _CHUNK // self.sure.shape[1])
        out = []
        for part in (rows[i:i + step] for i in range(0, len(rows), step)):
            score, cost, seconds = ladder.play(order, part)
            late = np.quantile(seconds, 0.95, axis=1) if timed else np.zeros(len(part))
            out.append(np.stack([score.mean(axis=1), cost.mean(axis=1), late], axis=1))
        return np.concatenate(out)


def _by_calls(did: Did) -> Did:
    import numpy as np

    return replace(did, cost=np.ones_like(did.cost))


def _spaced(end: int, steps: int, repeat: bool = False) -> list[int]:
    """Places from 0 to `end`, evenly spaced, at most so many; with `repeat` exactly so many."""
    steps = steps if repeat else min(steps, end + 1)
    return [round(i * end / max(1, steps - 1)) for i in range(steps)]


def cuts(sure: np.ndarray) -> list[float]:
    """Thresholds worth trying for these confidences, from the one that takes all to one that takes none."""
    import numpy as np

    seen = np.unique(sure[sure > 0])
    if len(seen) > CUTS:
        seen = np.unique(np.quantile(sure[sure > 0], np.linspace(0, 1, CUTS), method="lower"))
    return [*(float(s) for s in seen), NEVER]


def above(sure: np.ndarray | float, cut: float) -> np.ndarray:
    """Whether an answer is sure enough; one whose confidence is 0 or less never is."""
    import numpy as np

    return np.logical_and(np.greater(sure, 0), np.greater_equal(sure, cut))
