"""RouterDC: questions and members as vectors, drawn together where a member does well and apart where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from consilience.errors import ConfigError
from consilience.learn.clusters import kmeans, nearest
from consilience.learn.contrastive import Contrast, likeness, trained
from consilience.learn.gradient import Descent
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class RouterDC(Router):
    """Ask the member whose learned vector is most like the question's.

    Two contrasts are learned: a question against the members that answer it best and worst, and against a question of its
    own group and others of other groups, so that like questions stay together. Worth trying where many members are good
    and dev scores are graded (shares of samples). Deviations: a linear map of the question's vector is trained, where the
    authors fine-tune an encoder of 86M parameters; members start as the mean of the questions that they are good at;
    likeness moves the members' dev scores as far as it tells on a held-out fifth of dev, so that noise leaves the best.
    """

    name: ClassVar = "routerdc"
    paper: ClassVar = "RouterDC, arXiv 2409.19886"

    best: Count = 3
    """Best members of a question (with a score above 0) that it is drawn to."""
    worst: Count = 3
    """Worst members of a question (with a score of 0.5 or less) that it is drawn from."""
    negatives: Count = 3
    """Questions of other groups that a question is drawn from."""
    groups: Count = 5
    """Groups of like questions."""
    weight: float = 1.0
    """Weight of the contrast between questions."""
    temperature: float = 1.0
    """Likeness is divided by it."""
    width: Count = 64
    """Length of the learned vectors."""
    steps: Count = 500
    """Steps of training, at `lr`, on `batch` questions each."""
    lr: float = 0.01
    """Learning rate."""
    batch: Count = 64
    """Questions per step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise ConfigError(f"routerdc: temperature must be above 0, got {self.temperature}")

    def learn(self, table: Table) -> Learned:
        """Train the encoder and the members' vectors by contrast, and how far likeness moves dev scores (`slope`)."""
        group = nearest(table.x, kmeans(table.x, self.groups))
        contrast = Contrast(self.width, self.best, self.worst, self.negatives, self.temperature, self.weight)
        weights, lean = trained(table.x, table.scores, group, contrast, Descent(self.steps, self.lr), self.batch)
        return Learned({"slope": lean.slope}, {**weights, "base": lean.base})

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Dev score of each member moved by the question's likeness to it: [questions, members]."""
        worth: np.ndarray = found.arrays["base"] + found.values["slope"] * likeness(found.arrays, x)
        return worth
