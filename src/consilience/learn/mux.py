"""SLM-MUX's model search: members that are right on different questions and seldom sure of something wrong (arXiv
2510.05077)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

from consilience.learn.confidence import measure
from consilience.learn.goals import Trials
from consilience.learn.table import Table, distinct
from consilience.method import Dev, Scored
from consilience.model import Model
from consilience.types import Draws, Reply, Request, total_cost

if TYPE_CHECKING:
    import numpy as np

MOST = 2000
"""Sets that are all tried; where there are more, sets grow by the member that helps most."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What several samples of each member came to on dev, arrays [members, questions]: how sure it was of the answer that
    most of them give, that answer's score (in `table`, with the cost of all samples), and how many samples were right."""

    table: Table
    sure: np.ndarray
    right: np.ndarray
    draws: int

    def objective(self, chosen: Sequence[int], weight: float, solid: int) -> float:
        """Share of questions that some member solves in `solid` samples, less `weight` times the share of these where some
        member is unanimous and wrong."""
        import numpy as np

        at = list(chosen)
        solved = (self.right[at] >= min(solid, self.draws)).any(axis=0)
        wrong = ((self.sure[at] >= 1 - 1e-9) & (self.table.scores.T[at] < 0.5)).any(axis=0)
        count = int(np.sum(solved))
        return float(np.mean(solved)) - (weight * int(np.sum(solved & wrong)) / count if count else 0.0)

    def play(self, sets: Sequence[Sequence[int]]) -> Trials:
        """What each set would have answered: the surest member, ties to the better on dev, then to the cheaper."""
        import numpy as np

        table, rows = self.table, np.arange(len(self.table))
        cost = np.nan_to_num(table.costs.mean(axis=0), nan=np.inf)
        order = np.lexsort((cost, -np.round(table.standing, 12)))
        parts = []
        for chosen in sets:
            at = [m for m in order if m in chosen]
            pick = np.array(at)[np.round(self.sure[at], 9).argmax(axis=0)]
            parts.append((table.scores[rows, pick], table.costs[:, at].sum(axis=1), table.seconds[:, at].max(axis=1)))
        score, paid, seconds = (np.stack(column) for column in zip(*parts, strict=True))
        return Trials(score, paid, seconds, table.scores[:, table.best])

    def search(self, size: int, weight: float, solid: int) -> tuple[int, ...]:
        """The set of 2 to `size` members with the highest objective; ties to the smaller, then to team order."""
        best = max(self.sets(2, size, weight, solid), key=lambda s: (round(self.objective(s, weight, solid), 9), -len(s)))
        return tuple(sorted(best))

    def sets(self, least: int, size: int, weight: float, solid: int) -> Iterator[tuple[int, ...]]:
        """Sets of `least` to `size` members: all, or those that grow from the best pair by the member that helps most."""
        members, size = range(len(self.sure)), min(size, len(self.sure))
        least = min(least, size)
        if sum(comb(len(members), n) for n in range(least, size + 1)) <= MOST:
            yield from (s for n in range(least, size + 1) for s in combinations(members, n))
            return
        grown: tuple[int, ...] = ()
        while len(grown) < size:
            more = [(*grown, m) for m in members if m not in grown] if grown else list(combinations(members, least))
            grown = max(more, key=lambda s: round(self.objective(s, weight, solid), 9))
            yield grown


async def sampled(dev: Dev, members: Sequence[Model], draws: int) -> Samples:
    """Ask every member every dev question `draws` times."""
    import numpy as np

    waves = [await dev.replies(members, Draws(1, d)) for d in range(draws)]
    merged = [[await _merged(example.request, [wave[m][i] for wave in waves]) for i, example in enumerate(dev.examples)]
              for m in range(len(members))]
    table = Table.made(tuple(m.card.name for m in members), dev.examples, [[one for one, *_ in line] for line in merged])
    rows = distinct(dev.examples)
    sure, right = (np.array([[line[i][place] for i in rows] for line in merged]) for place in (1, 2))
    return Samples(table, sure, right, draws)


async def _merged(request: Request, samples: Sequence[Scored]) -> tuple[Scored, float, int]:
    """Samples of one member as one answer, at the cost of all; how sure it is; and how many of them are right."""
    chosen, sure = await measure(request, [s.reply or Reply(None) for s in samples], "agreement")
    given = [s.reply for s in samples if s.reply is not None]
    reply = samples[chosen].reply
    if reply is not None:
        reply = reply.having(cost=total_cost(given), seconds=max(r.seconds for r in given))
    return Scored(reply, samples[chosen].score), sure, sum(s.score >= 0.5 for s in samples)
