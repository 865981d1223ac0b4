"""Matrix factorisation: a vector per member and a projection of the question that tell who beats whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from zlib import crc32

from consilience.learn.duels import chances, factorise
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class MatrixFactorisation(Router):
    """Learn a vector per member whose product with the projected question says who wins, and ask the likeliest winner.

    The best of RouteLLM's routers on chat questions; for a thousand dev questions or more. Deviations: any number of
    members, of which each is worth its mean chance to beat the others (with two: the win probability of the paper); the
    question's vector gets a constant beside it, so that members may differ on all questions alike; a step shows all duels
    of 64 questions, so that fewer, larger steps are taken.
    """

    paper: ClassVar = "RouteLLM (matrix factorisation), arXiv 2406.18665"

    width: Count = 128
    """Width of the members' vectors."""
    steps: Count = 600
    """Steps of training, of 64 questions each."""
    rate: float = 3e-3
    """Length of a step."""
    noise: float = 0.1
    """Standard deviation of what is added to the question's vector in training."""

    def learn(self, table: Table) -> Learned:
        """A linear map from the question's vector (and 1) to the log-odds of each member. Its start depends on the members'
        names alone, so that their order changes nothing."""
        seeds = [crc32(name.encode()) for name in table.names]
        return Learned({}, {"odds": factorise(_beside(table.x), table.scores, seeds, self.width, self.steps, self.rate, self.noise)})

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Mean chance of each member to win against the others: [questions, members]."""
        return chances(_beside(x) @ found.arrays["odds"].T)


def _beside(x: np.ndarray) -> np.ndarray:
    """Vectors with a constant 1 beside them."""
    import numpy as np

    return np.hstack([x, np.ones((len(x), 1), x.dtype)])
