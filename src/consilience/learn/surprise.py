"""How sure an answer is by the log-probabilities of its tokens (Language Model Cascades, arXiv 2404.10136)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from consilience.learn.answers import Folds
from consilience.learn.confidence import UNREAD, quantile
from consilience.learn.deferral import area
from consilience.learn.estimators import fit_mlp, mlp, sigmoid

if TYPE_CHECKING:
    import numpy as np

LEVELS = (*(i / 100 for i in range(10)), *(i / 10 for i in range(1, 11)))
"""Quantiles that are taken: 0, .01, .., .09, .1, .2, .., 1."""
SUM, MEAN, COUNT = -3, -2, -1
"""Places of the features after the quantiles."""
LAYERS = (32, 32)
"""The combiner's network."""
FEW = 40
"""Answers below which the network is no candidate among others."""

Rule = Literal["sum", "average", "quantile", "learned"]


def features(logprobs: Sequence[float]) -> list[float]:
    """Quantiles of the log-probabilities at `LEVELS` (linearly interpolated), their sum, mean and number; none for no
    tokens."""
    if not logprobs:
        return []
    total = sum(logprobs)
    return [*(quantile(logprobs, q) for q in LEVELS), total, total / len(logprobs), float(len(logprobs))]


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to be sure. `level` is that of `quantile`; `arrays` are what `learned` has learned."""

    rule: Rule
    level: float = 0.0
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def of(self, seen: np.ndarray) -> np.ndarray:
        """Confidence in (0, 1] for answers with features `seen` [answers, features]."""
        import numpy as np

        if self.rule == "learned":
            gain = mlp({k: v for k, v in self.arrays.items() if k not in ("middle", "spread")},
                       (_inputs(seen) - self.arrays["middle"]) / self.arrays["spread"])
            found: np.ndarray = sigmoid(4.0 * gain.ravel())
            return found
        place = {"sum": SUM, "average": MEAN}[self.rule] if self.rule != "quantile" else nearest(self.level)
        return np.asarray(1 / (1 - np.minimum(seen[:, place], 0)))      # of the order of the log-probability


def nearest(level: float) -> int:
    """Which of `LEVELS` is nearest to this one."""
    return min(range(len(LEVELS)), key=lambda i: abs(LEVELS[i] - level))


def learned(seen: np.ndarray, small: np.ndarray, large: np.ndarray) -> Measure:
    """The post-hoc combiner: a small network that predicts from all features what keeping an answer gains over passing
    it on, `small - large` [answers]."""
    import numpy as np

    x = _inputs(seen)
    middle, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    return Measure("learned", arrays={**fit_mlp((x - middle) / spread, (small - large)[:, None], LAYERS),
                                      "middle": middle, "spread": spread})


def chosen(candidates: Sequence[tuple[Rule, float]], seen: Sequence[Sequence[float]], small: np.ndarray, large: np.ndarray,
           folds: Folds) -> tuple[Measure, np.ndarray]:
    """The candidate (rule and level) with the largest area under the deferral curve, ties to the first, and how sure it is
    of every question (`UNREAD` without features); what is learned judges each question by other folds."""
    import numpy as np

    table = np.array([list(s) or [np.nan] * (len(LEVELS) + 3) for s in seen])
    there = np.flatnonzero(~np.isnan(table[:, 0]))
    best: tuple[float, Measure, np.ndarray] | None = None
    for rule, level in candidates if len(there) else ():
        if rule == "learned" and len(there) < FEW and len(candidates) > 1:
            continue
        sure = np.full(len(seen), UNREAD)
        measure = learned(table[there], small[there], large[there]) if rule == "learned" else Measure(rule, level)
        for here, others in folds if rule == "learned" else [(there, there)]:
            own, rest = np.intersect1d(here, there), np.intersect1d(others, there)
            part = learned(table[own], small[own], large[own]) if rule == "learned" and len(own) else measure
            sure[rest] = part.of(table[rest])
        height = area(sure[there], small[there], large[there])
        if best is None or height > best[0] + 1e-12:
            best = height, measure, sure
    return (best[1], best[2]) if best is not None else (Measure("average"), np.full(len(seen), UNREAD))


def _inputs(seen: np.ndarray) -> np.ndarray:
    """Features [answers, all] as the network sees them: sums and numbers of tokens by their logarithm."""
    import numpy as np

    x = np.array(seen, float)
    x[:, SUM], x[:, COUNT] = -np.log1p(-np.minimum(x[:, SUM], 0)), np.log1p(x[:, COUNT])
    return x
