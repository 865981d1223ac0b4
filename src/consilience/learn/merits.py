"""What routers may learn from instead of scores as they are: scores normalised within tasks, and a judge's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from consilience.learn.table import distinct
from consilience.method import Dev
from consilience.model import Model, Verify

if TYPE_CHECKING:
    import numpy as np


def normalised(values: np.ndarray, groups: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Values [questions, members] from 0 to 1 within each group, 0.5 where all are equal; and which rows are not, [questions]."""
    import numpy as np

    out, told, of = np.full(values.shape, 0.5), np.zeros(len(values), bool), np.array(groups)
    for group in dict.fromkeys(groups):
        rows = of == group
        low, high = float(values[rows].min()), float(values[rows].max())
        if high - low > 1e-12:
            out[rows], told[rows] = (values[rows] - low) / (high - low), True
    return out, told


async def judged(dev: Dev, members: Sequence[Model], judge: Model) -> np.ndarray:
    """The judge's scores of the members' dev answers, [distinct questions, members]; an unjudged one counts as the lowest."""
    import numpy as np

    power, drafts, rows = judge.power(Verify), await dev.replies(members), distinct(dev.examples)
    texts = [[(line[i].reply.text if line[i].reply else "") or "" for line in drafts] for i in rows]
    found = [(await power.verify(dev.examples[i].request, told)).value for i, told in zip(rows, texts, strict=True)]  # type: ignore[union-attr]
    scores = np.array(found, dtype=np.float64)
    return np.where(np.isfinite(scores), scores, np.nanmin(scores)) if np.isfinite(scores).any() else np.zeros(scores.shape)
