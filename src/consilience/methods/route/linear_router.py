"""Linear router: a straight line per member from the question's vector to its score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from consilience.errors import ConfigError
from consilience.learn.estimators import fit_logistic, fit_ridge, linear, logistic
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class LinearRouter(Router):
    """Ask the member whose score, predicted by a linear model of the question's vector, is highest.

    The router to try beside the nearest neighbours: it needs fewer dev questions than any other that learns, decides in
    microseconds, and shrinks to the best member where questions say nothing. `ridge` chooses its own penalty per member;
    `logistic` suits scores that are right or wrong.
    """

    paper: ClassVar = "RouterBench, arXiv 2403.12031; LLMRouter (ulab-uiuc/LLMRouter, 2025)"

    kind: Literal["ridge", "logistic"] = "ridge"
    """Least squares with a penalty (`ridge`), or the probability to be right (`logistic`)."""
    c: float = 1.0
    """Inverse penalty of `logistic`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.c > 0:
            raise ConfigError(f"{self.name}: c must be above 0, got {self.c}")

    def learn(self, table: Table) -> Learned:
        """Ridge or logistic regression of each member's dev scores on the vectors."""
        found = fit_ridge(table.x, table.scores) if self.kind == "ridge" else fit_logistic(table.x, table.scores, self.c)
        return Learned({}, found)

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Predicted score, or probability to be right: [questions, members]."""
        return (linear if self.kind == "ridge" else logistic)(found.arrays, x)
