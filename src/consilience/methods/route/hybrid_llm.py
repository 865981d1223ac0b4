"""Hybrid LLM: ask the small model where it is probably good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from consilience.learn.estimators import fit_mlp, mlp
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Cast, Count, Dev, Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np

GAPS = 50
"""Tolerated gaps that are tried."""


@register
@dataclass(frozen=True)
class HybridLlm(Router):
    """Ask the small model when it is probably at least as good as the large one, less a tolerated gap.

    For a dear model and one or more cheaper ones whose answers often tie: what is predicted is the probability of a tie or
    better, not two scores. The large model is the dearest on dev; the threshold follows from the target. With equal or
    unknown costs the large model always answers. Deviations: a small network reads the question's vector (the paper
    trains DeBERTa); every cheaper member is compared with the large one, so that there may be several.
    """

    paper: ClassVar = "Hybrid LLM, arXiv 2404.14618"

    label: Literal["probabilistic", "transformed"] = "transformed"
    """Whether a gap is tolerated: the one that tells the questions apart most (`transformed`), or none."""
    samples: Count = 1
    """Answers of each member per dev question that the probability is estimated from."""
    steps: Count = 400
    """Steps of training, of 200 questions each."""

    async def table(self, dev: Dev, cast: Cast) -> Table:
        """Dev scores of `samples` answers of each member, the first in `scores`, the others beside them."""
        first, *more = [await Table.of(dev, cast.members, draw=draw) for draw in range(self.samples)]
        return replace(first, also=tuple(table.scores for table in more))

    def learn(self, table: Table) -> Learned:
        """Which member is the large one, the tolerated gap, and a network that predicts the share of pairs of answers in
        which a member is good enough."""
        import numpy as np

        cost = np.nan_to_num(table.costs.mean(axis=0))
        large = int(np.lexsort((-table.standing, -np.round(cost, 15)))[0])
        draws = np.stack([table.scores, *table.also])
        gap = 0.0
        if self.label == "transformed":
            gaps = np.linspace(0, float(np.abs(draws - draws[:, :, large:large + 1]).max()), GAPS)
            gap = float(max(gaps, key=lambda g: (round(sum(spread(y) for y in good_enough(draws, large, g).T), 9), -g)))
        labels = good_enough(draws, large, gap)
        return Learned({"large": large, "gap": gap}, fit_mlp(table.x, labels, steps=self.steps))

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Probability that the member is at least as good as the large one, less the gap (1 for that one): [questions,
        members]."""
        import numpy as np

        chance = np.clip(mlp(found.arrays, x), 0, 1)
        chance[:, found.values["large"]] = 1.0
        return chance


def good_enough(draws: np.ndarray, large: int, gap: float) -> np.ndarray:
    """Share of pairs of draws in which a member scores at least what the large one does, less `gap`: [questions, members].
    `draws` is [draws, questions, members]."""
    pairs = draws[:, None] >= draws[None, :, :, large:large + 1] - gap - 1e-9
    share: np.ndarray = pairs.mean(axis=(0, 1))
    return share


def spread(labels: np.ndarray) -> float:
    """Mean difference of two labels: (1/n^2) sum |y_i - y_j|."""
    import numpy as np

    ranked, count = np.sort(labels), len(labels)
    return float(2 * ((2 * np.arange(1, count + 1) - count - 1) * ranked).sum() / count ** 2)
