"""Boosted router: gradient-boosted trees per member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from consilience.errors import ConfigError
from consilience.learn.estimators import boosted, fit_boosted
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Learned, Share
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class BoostedRouter(Router):
    """Ask the member whose score, predicted by gradient-boosted regression trees, is highest.

    For a thousand dev questions or more whose vectors have telling single directions (a task, a language, a length).
    Trees are small and many, and learn nothing from fewer than 40 questions: the best member on dev answers then.
    """

    paper: ClassVar = "LightGBM (Ke et al., NeurIPS 2017); as a router: folklore"

    trees: Count = 60
    """Trees per member."""
    leaves: Count = 8
    """Leaves of a tree, at most."""
    rate: Share = 0.08
    """Share of each tree's prediction that counts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.leaves < 2 or not self.rate > 0:
            raise ConfigError(f"{self.name}: a tree has at least 2 leaves and a rate above 0, got {self.leaves} and {self.rate}")

    def learn(self, table: Table) -> Learned:
        """Trees per member, grown on the dev questions' vectors."""
        return Learned({}, fit_boosted(table.x, table.scores, self.trees, self.leaves, self.rate))

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Sum of the trees' leaves: [questions, members]."""
        return boosted(found.arrays, x)
