"""SVM router: a support vector machine per member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from consilience.errors import ConfigError
from consilience.learn.estimators import fit_svm, svm
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class SvmRouter(Router):
    """Ask the member that a support vector machine with an RBF kernel gives the highest probability to be right.

    For a few hundred dev questions whose good members lie in curved regions that no straight line separates. Deviations:
    one machine per member tells right from wrong, so that all scores count and the trade against cost has a scale (the
    first form predicts the best member's name); of more than `most` dev questions a sample is used.
    """

    paper: ClassVar = "LLMRouter (ulab-uiuc/LLMRouter, 2025); FusionBench, arXiv 2507.10540"

    c: float = 1.0
    """Inverse penalty: what a wrong side costs."""
    most: Count = 1000
    """Dev questions that are used, at most."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.c > 0:
            raise ConfigError(f"{self.name}: c must be above 0, got {self.c}")

    def learn(self, table: Table) -> Learned:
        """A support vector machine per member, over at most `most` dev questions, and the curve from its margin to a
        probability."""
        return Learned({}, fit_svm(table.x, table.scores, self.c, self.most))

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Probability that each member is right: [questions, members]."""
        return svm(found.arrays, x)
