"""Composition of Experts: tell a question's kind, then look up who is best at that kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from consilience.errors import ConfigError
from consilience.learn.clusters import categories, worths
from consilience.learn.experts import clear, mapping, sure
from consilience.learn.neighbours import JUDGED
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Cast, Count, Dev, Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class CompositionOfExperts(Router):
    """Tell the kind of a question by its neighbours and ask the member that is best at it; if unsure, the best of all.

    For a pool of specialists of which few fit into memory: `parameters` bounds what all experts in use have together; the
    others answer only when those fail. Kinds are the sub-tasks (skills) of dev, or groups of like questions where it has
    none. Deviation: an expert must beat the best of all in its kind by `errors` standard errors (the paper compares
    intervals), and a kind's mean scores are drawn to those of all questions by two questions.
    """

    paper: ClassVar = "Composition of Experts, arXiv 2412.01868"

    parameters: float | None = None
    """Billions of parameters that the members in use have at most, together; none: no bound."""
    theta: float | None = None
    """Least share of neighbours of one kind for a question to have it; none: that of all but 15% of dev questions."""
    k: Count = 15
    """Neighbours that tell the kind."""
    errors: float = 1.0
    """Standard errors by which an expert must beat the best member in its kind; 0: by anything."""
    groups: Count = 8
    """Groups of like questions where dev has no sub-tasks."""

    async def table(self, dev: Dev, cast: Cast) -> Table:
        """Dev scores, with the members' billions of parameters beside them. ConfigError where `parameters` bounds numbers
        that are unknown."""
        table, cards = await super().table(dev, cast), [m.card for m in cast.members]
        unknown = [c.name for c in cards if c.parameters is None]
        if self.parameters is not None and unknown:
            raise ConfigError(f"{self.name}: `parameters` bounds numbers of parameters, and that of {', '.join(unknown)} is unknown")
        return replace(table, also=(table.scores * 0 + [(c.parameters or 0) / 1e9 for c in cards],))

    def learn(self, table: Table) -> Learned:
        """The kind of every dev question, the worth of the members in each kind, [kinds, members], and `theta`."""
        import numpy as np

        kinds, kind, worth = self._worth(table)
        some = np.random.default_rng(0).permutation(len(table))[:JUDGED]
        share = sure(table.x[some], table.x, kind, len(kinds), self.k, some)[1]
        theta = float(np.quantile(share, 0.15)) if self.theta is None else self.theta
        return Learned({"theta": theta, "kinds": kinds}, {"known": table.x, "kind": kind, "worth": worth, "all": table.standing})

    def _worth(self, table: Table) -> tuple[list[str], np.ndarray, np.ndarray]:
        kinds, kind = categories(table.x, table.groups, self.groups)
        return kinds, kind, clear(table.scores, kind, worths(table.scores, kind, len(kinds)), table.best, self.errors)

    def _slow(self, table: Table) -> np.ndarray:
        import numpy as np

        _, kind, worth = self._worth(table)
        used = mapping(worth, np.bincount(kind), table.also[0][0], self.parameters)
        slow: np.ndarray = super()._slow(table) | ~used
        return slow if not slow.all() else ~used

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """The members' worth in the kind that most neighbours have; where that is fewer than `theta` of them, their dev
        scores: [questions, members]."""
        import numpy as np

        table, theta = found.arrays["worth"], found.values["theta"]
        kind, share = sure(x, found.arrays["known"], found.arrays["kind"], len(table), self.k)
        return np.where((share < theta)[:, None], found.arrays["all"], table[kind])
