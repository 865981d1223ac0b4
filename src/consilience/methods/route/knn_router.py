"""kNN router: ask whoever did best on the most similar dev questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from consilience.learn.neighbours import best_size, best_guard, guarded, neighbours
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class KnnRouter(Router):
    """Ask the member with the best mean score over the `k` dev questions most similar to this one.

    The first router to try: nothing is trained, new dev questions are simply added, and it is hard to beat. `guarded`
    falls back to the best member on dev where the neighbours are too few, too far or too divided to say otherwise: the
    member they recommend must beat the best one by more than a number of standard errors of the difference, chosen on
    dev. Deviation: the scores of all members are averaged over the neighbours (the first form votes on the name of the
    best).
    """

    paper: ClassVar = "RouterBench, arXiv 2403.12031; FusionBench, arXiv 2507.10540"

    k: int = 0
    """Neighbours; 0: the number that routes dev questions best by their other neighbours."""
    guarded: bool = False
    """Whether to ask the best member on dev unless the neighbours clearly speak for another."""

    def learn(self, table: Table) -> Learned:
        """The dev questions' vectors and scores as they are; `k`, and the guard in standard errors, where they are not
        given."""
        k = self.k or best_size(table.x, table.scores, table.costs.mean(axis=0) if self.needs_costs else None)
        guard = best_guard(table.x, table.scores, k) if self.guarded else 0.0
        return Learned({"k": k, "guard": guard}, {"known": table.x, "merit": table.scores})

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Mean scores of the `k` nearest dev questions, guarded where asked for: [questions, members]."""
        merit, k = found.arrays["merit"], int(found.values["k"])
        near = neighbours(x @ found.arrays["known"].T, k)
        mean: np.ndarray = merit[near].mean(axis=1)
        return guarded(mean, merit[near], merit.mean(axis=0), found.values["guard"]) if self.guarded else mean
