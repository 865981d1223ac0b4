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

    For a few hundred dev questions or more, and for many members, which share the hidden layers. Deviations: it predicts
    scores (the first form: the best member's name); it starts at the members' mean scores and leaves them only as far as a
    tenth of dev that is held out bears it out; the decay of weights is far above the usual 0.0001, with which the network
    learns right and wrong answers by heart.
    """

    paper: ClassVar = "LLMRouter (ulab-uiuc/LLMRouter, 2025); FusionBench, arXiv 2507.10540"

    layers: tuple[int, ...] = (128, 64)
    """Widths of the hidden layers."""
    steps: Count = 400
    """Steps of training, of 200 questions each, at most."""
    decay: float = 6.0
    """Decay of the weights, per step and unit of its length (AdamW)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.layers and all(width >= 1 for width in self.layers) and self.decay >= 0):
            raise ConfigError(f"{self.name}: layers are widths of at least 1 and the decay is not negative, got "
                              f"{self.layers} and {self.decay}")

    def learn(self, table: Table) -> Learned:
        """A network that predicts all members' scores at once."""
        return Learned({}, fit_mlp(table.x, table.scores, self.layers, self.steps, self.decay))

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """The network's outputs: [questions, members]."""
        return mlp(found.arrays, x)
