"""Elo router: the constant that every router must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from consilience.learn.duels import ELO, bradley_terry, chances, wins
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class EloRouter(Router):
    """Ask the member with the highest Elo rating, whatever the question.

    The control for all other routers: what reading the question adds is what they gain over this one. Ratings (1000 in
    the middle) are the maximum-likelihood fit of Bradley and Terry to duels on dev questions. Deviation: all pairs of
    members meet on every question, a draw counting for both (the first form: the winner meets all others, and draws for
    the first place go to the cheaper member).
    """

    paper: ClassVar = "LLMRouter (ulab-uiuc/LLMRouter, 2025); Bradley and Terry, 1952"

    def learn(self, table: Table) -> Learned:
        """Elo ratings by name, from all pairs of members on all dev questions, and each one's mean chance to win."""
        import numpy as np

        won = wins(table.scores).sum(axis=0)
        ratings = bradley_terry(won, len(table) * (1 - np.eye(len(won))))
        return Learned({"elo": {name: round(1000 + ELO * float(r), 3) for name, r in zip(table.names, ratings, strict=True)}},
                       {"chance": chances(ratings)})

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """The members' chances, the same for every question: [questions, members]."""
        import numpy as np

        return np.tile(found.arrays["chance"], (len(x), 1))
