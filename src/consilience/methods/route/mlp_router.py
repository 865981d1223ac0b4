"""MLP router: a small network predicts every member's score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from consilience.errors import ConfigError
from consilience.learn.estimators import fit_mlp, mlp
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class MlpRouter(Router):
    """Ask the member whose score, predicted for all members at once by a network of two hidden layers, is highest.

    For a thousand dev questions or more, and for many members, which share the hidden layers. With fewer questions the
    linear router is the safer choice. Deviations: it predicts scores (the first form: the best member's name); from 100
    dev questions it stops early on a tenth that is held out; the penalty is far above the usual 0.0001, with which the
    network learns right and wrong answers by heart.
    """

    paper: ClassVar = "LLMRouter (ulab-uiuc/LLMRouter, 2025); FusionBench, arXiv 2507.10540"

    layers: tuple[int, ...] = (128, 64)
    """Widths of the hidden layers."""
    steps: Count = 1500
    """Steps of training, of 200 questions each, at most."""
    penalty: float = 3.0
    """Penalty on squared weights, per 200 questions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.layers and all(width >= 1 for width in self.layers) and self.penalty >= 0):
            raise ConfigError(f"{self.name}: layers are widths of at least 1 and the penalty is not negative, got "
                              f"{self.layers} and {self.penalty}")

    def learn(self, table: Table) -> Learned:
        return Learned({}, fit_mlp(table.x, table.scores, table.names, self.layers, self.steps, self.penalty))

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        return mlp(found.arrays, x)
