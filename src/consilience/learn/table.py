"""What every member did on every dev question, as arrays that estimators learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from consilience.errors import ConfigError
from consilience.method import Dev, Scored
from consilience.model import Model
from consilience.types import Draws, Example

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Table:
    """Dev questions (each text once, in the order of their ids) and what the members did.

    `scores`, `costs` (US dollars, NaN where unknown) and `seconds` are float64 [questions, members]; `x` float32
    [questions, width] are the questions' vectors (none before they are embedded). `groups` are the sub-tasks. `also` is
    whatever else a router learns from, such as scores of further draws, each [questions, members].
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    groups: tuple[str, ...]
    scores: np.ndarray
    costs: np.ndarray
    seconds: np.ndarray
    x: np.ndarray
    also: tuple[np.ndarray, ...] = ()

    @classmethod
    async def of(cls, dev: Dev, members: Sequence[Model], extras: frozenset[str] = frozenset(), draw: int = 0) -> Self:
        """Ask all members all dev questions (drafts that the experiment shares). ConfigError when there is nothing to
        learn from, or a score is no number."""
        return cls.made(tuple(m.card.name for m in members), dev.examples,
                        await dev.replies(members, Draws(1, draw), extras=extras))

    @classmethod
    def made(cls, names: tuple[str, ...], given: Sequence[Example], asked: Sequence[Sequence[Scored]]) -> Self:
        """The table of scored replies `[member][example]`."""
        import numpy as np

        rows = distinct(given)
        if not rows:
            raise ConfigError("a router learns from dev questions, and there are none")
        replies = [[line[i] for line in asked] for i in rows]
        scores = np.array([[one.score for one in line] for line in replies], dtype=np.float64)
        if not np.isfinite(scores).all():
            i, m = np.argwhere(~np.isfinite(scores))[0]
            raise ConfigError(f"the dev score of {names[m]} on {given[rows[i]].id} is {scores[i, m]}, no number")
        costs = np.array([[_cost(one) for one in line] for line in replies], dtype=np.float64)
        seconds = np.array([[one.reply.seconds if one.reply else 0.0 for one in line] for line in replies], dtype=np.float64)
        examples = [given[i] for i in rows]
        return cls(names, tuple(e.question for e in examples), tuple(e.skill or e.task for e in examples), scores, costs,
                   seconds, np.zeros((len(rows), 0), np.float32))

    def __len__(self) -> int:
        return len(self.texts)

    def among(self, rows: np.ndarray) -> Self:
        """Some of the questions."""
        return replace(self, texts=tuple(self.texts[i] for i in rows), groups=tuple(self.groups[i] for i in rows),
                       scores=self.scores[rows], costs=self.costs[rows], seconds=self.seconds[rows], x=self.x[rows],
                       also=tuple(one[rows] for one in self.also))

    def folds(self, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Up to `k` pairs (rows to learn from, rows to try on); fewer for few questions, one of all for a single one."""
        import numpy as np

        k = min(k, len(self))
        if k < 2:
            return [(np.arange(len(self)), np.arange(len(self)))]
        place = np.random.default_rng(0).permutation(len(self)) % k
        return [(np.flatnonzero(place != f), np.flatnonzero(place == f)) for f in range(k)]

    @property
    def standing(self) -> np.ndarray:
        """Mean score of each member, [members]."""
        found: np.ndarray = self.scores.mean(axis=0)
        return found

    @property
    def best(self) -> int:
        """The best member: highest mean score, then least mean cost, then team order."""
        import numpy as np

        cost = np.nan_to_num(self.costs.mean(axis=0), nan=np.inf)
        return int(np.lexsort((np.arange(len(cost)), cost, -np.round(self.standing, 12)))[0])


def alone(table: Table) -> dict[str, str | float | None]:
    """The best member, and US dollars per 1,000 questions that it takes alone (None where unknown), for reports."""
    import math

    cost = 1000 * float(table.costs[:, table.best].mean())
    return {"best": table.names[table.best], "best_cost_per_1k": None if math.isnan(cost) else round(cost, 9)}


def distinct(examples: Sequence[Example]) -> list[int]:
    """Places of the examples, each question text once (that of the lowest id), in the order of their ids."""
    known: dict[str, int] = {}
    for i in sorted(range(len(examples)), key=lambda i: examples[i].id):
        known.setdefault(examples[i].question, i)
    return list(known.values())


async def right_answers(dev: Dev, members: Sequence[Model]) -> dict[int, str]:
    """By place of the distinct examples that somebody answered rightly: the text of the best on dev among those who did."""
    table = await dev.replies(members)
    order = sorted(range(len(table)), key=lambda m: -sum(scored.score for scored in table[m]))
    return {i: said for i in distinct(dev.examples) for m in reversed(order)
            if table[m][i].score >= 1 and (said := getattr(table[m][i].reply, "text", None))}


def _cost(scored: Scored) -> float:
    """Dollars, NaN where unknown; an absent reply cost nothing."""
    if scored.reply is None:
        return 0.0
    return float("nan") if scored.reply.cost is None else scored.reply.cost
