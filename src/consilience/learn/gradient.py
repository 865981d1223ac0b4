"""Small models trained by hand-written gradients, and how far to believe them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Weights = Mapping[str, "np.ndarray"]
"""Named float64 arrays."""


@dataclass(frozen=True, slots=True)
class Descent:
    """AdamW (Loshchilov & Hutter, arXiv 1711.05101): `steps` steps at rate `lr`, falling to 0 along half a cosine."""

    steps: int
    lr: float
    decay: float = 0.01
    every: int = 25

    def down(self, start: Weights, slope: Callable[[Weights, int], Weights], judge: Callable[[Weights], float]) -> Weights:
        """The weights that `judge` rates highest of those at the start and after every `every` steps, the earliest if
        equal; `slope` gives the loss's gradient at a step's number."""
        import numpy as np

        weights = {k: np.asarray(v, np.float64) for k, v in start.items()}
        speed, power = ({k: np.zeros_like(v) for k, v in weights.items()} for _ in range(2))
        best, mark = weights, judge(weights)
        for step in range(1, self.steps + 1):
            lr = self.lr * 0.5 * (1 + np.cos(np.pi * (step - 1) / self.steps))
            for k, g in slope(weights, step).items():
                speed[k] = 0.9 * speed[k] + 0.1 * g
                power[k] = 0.999 * power[k] + 0.001 * g * g
                change = speed[k] / (1 - 0.9**step) / (np.sqrt(power[k] / (1 - 0.999**step)) + 1e-8)
                weights = {**weights, k: weights[k] - lr * (change + self.decay * weights[k])}
            if step % self.every == 0 or step == self.steps:
                now = judge(weights)
                if now > mark + 1e-12:
                    best, mark = weights, now
        return best


@dataclass(frozen=True, slots=True)
class Lean:
    """How far a raw preference moves the members' mean scores: expected scores are `base` [members] + `slope` * raw.
    `gain` is the squared error that this saves per question."""

    base: np.ndarray
    slope: float
    gain: float

    @classmethod
    def of(cls, raw: np.ndarray, scores: np.ndarray, standing: np.ndarray, usual: np.ndarray) -> Lean:
        """What `raw` [questions, members] says of a question beyond what it says on average (`usual` [members]), by least
        squares over differences between members, on questions that it was not trained on. The slope is drawn to 0 by its
        own variance (James & Stein), and never negative, so that what tells nothing leaves the mean scores `standing`."""
        more, left = _between(raw - usual), _between(scores - standing)
        agree, size = (more * left).sum(axis=1), (more**2).sum(axis=1)
        if size.sum() < 1e-12:
            return cls(standing, 0.0, 0.0)
        slope = float(agree.sum() / size.sum())
        noise = float(((agree - slope * size)**2).sum() / size.sum()**2)
        slope = slope * max(0.0, 1 - noise / slope**2) if slope > 0 else 0.0
        return cls(standing - slope * usual, slope, slope * float(agree.sum()) / len(raw))


def _between(values: np.ndarray) -> np.ndarray:
    """Rows less their means."""
    centred: np.ndarray = values - values.mean(axis=1, keepdims=True)
    return centred


def parts(n: int, every: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and every fifth, drawn at random, to judge by; all of both where there are fewer than ten."""
    import numpy as np

    if n < 2 * every:
        return np.arange(n), np.arange(n)
    held = np.zeros(n, bool)
    held[np.random.default_rng(0).permutation(n)[:n // every]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
