"""Question and member vectors trained by two contrasts (RouterDC, arXiv 2409.19886)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilience.learn.gradient import Descent, Lean, Weights, parts

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Contrast:
    """What is contrasted: `best` and `worst` members of a question, `others` negatives of a question, at a temperature;
    `weight` is that of the loss between questions."""

    width: int
    best: int
    worst: int
    others: int
    temperature: float
    weight: float

    def slope(self, w: Weights, x: np.ndarray, good: np.ndarray, bad: np.ndarray, near: Triples) -> tuple[float, Weights]:
        """Loss of a batch `x` [rows, d] and its gradient, by `turn` [d, width] and `members` [members, width]."""
        z, v = x @ w["turn"], w["members"]
        (zu, zl), (vu, vl) = _unit(z), _unit(v)
        loss, d_sims = member_loss(zu @ vu.T / self.temperature, good, bad)
        d_sims /= self.temperature
        more, d_like = question_loss(zu @ zu.T, near)
        d_like *= self.weight
        d_z = _through(d_sims @ vu + (d_like + d_like.T) @ zu, zu, zl)
        return loss + self.weight * more, {"turn": x.T @ d_z, "members": _through(d_sims.T @ zu, vu, vl)}


@dataclass(frozen=True, slots=True)
class Triples:
    """Rows of a batch, for each one row of its own group, and rows of other groups [rows, negatives]."""

    rows: np.ndarray
    same: np.ndarray
    other: np.ndarray

    @classmethod
    def drawn(cls, group: np.ndarray, negatives: int, rng: np.random.Generator) -> Triples:
        """At random; a row without a like one, or with too few unlike ones, is left out."""
        import numpy as np

        lots = rng.random((len(group), len(group)))
        alike = group[:, None] == group[None, :]
        unlike = ~alike
        np.fill_diagonal(alike, False)
        rows = np.flatnonzero(alike.any(axis=1) & (unlike.sum(axis=1) >= negatives))
        same = np.where(alike, lots, -1.0).argmax(axis=1)
        other = np.argsort(np.where(unlike, -lots, 1.0), axis=1)[:, :negatives]
        return cls(rows, same[rows], other[rows])


def extremes(scores: np.ndarray, standing: np.ndarray, best: int, worst: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each question the `best` members with a score above 0, and the `worst` at 0.5 or less that are not among them:
    two masks [questions, members]. Ties go to the better, or worse, by `standing`."""
    import numpy as np

    level = np.round(scores, 9) + 1e-6 * np.argsort(np.argsort(np.round(standing, 12), kind="stable")) / len(standing)
    place = np.argsort(np.argsort(-level, axis=1, kind="stable"), axis=1)
    good = (place < best) & (scores > 0)
    return good, (place >= scores.shape[1] - worst) & (scores <= 0.5) & ~good


def member_loss(sims: np.ndarray, good: np.ndarray, bad: np.ndarray) -> tuple[float, np.ndarray]:
    """Sum over good members i of -log(e^sim_i / (e^sim_i + sum over bad j of e^sim_j)), mean over rows, and its gradient;
    0 for a question without bad members."""
    import numpy as np

    e = np.exp(np.maximum(sims - sims.max(axis=1, keepdims=True), -600.0))
    against = (e * bad).sum(axis=1, keepdims=True)
    whole = e + against
    loss = (np.log(whole / e) * good).sum() / len(sims)
    grad = bad * e * (good / whole).sum(axis=1, keepdims=True) - good * against / whole
    return float(loss), grad / len(sims)


def question_loss(like: np.ndarray, near: Triples) -> tuple[float, np.ndarray]:
    """Mean over rows of -log(e^same / (e^same + sum of e^other)) of similarities `like` [rows, rows], and its gradient."""
    import numpy as np

    grad = np.zeros_like(like)
    if not len(near.rows):
        return 0.0, grad
    same, other = np.exp(like[near.rows, near.same]), np.exp(like[near.rows[:, None], near.other])
    whole = same + other.sum(axis=1)
    grad[near.rows, near.same] = (same / whole - 1) / len(near.rows)
    grad[near.rows[:, None], near.other] = other / whole[:, None] / len(near.rows)
    return float(np.log(whole / same).mean()), grad


def trained(x: np.ndarray, scores: np.ndarray, group: np.ndarray, contrast: Contrast, descent: Descent,
            batch: int) -> tuple[Weights, Lean]:
    """Weights that tell best on a held-out fifth of the questions, and how far to believe them."""
    import numpy as np

    here, held = parts(len(x))
    standing, x = scores.mean(axis=0), x.astype(np.float64)
    good, bad = extremes(scores, standing, contrast.best, contrast.worst)
    rng = np.random.default_rng(0)
    turn = rng.standard_normal((x.shape[1], contrast.width)) / np.sqrt(contrast.width)
    # members start as the mean of what they are good at, whatever their place
    members = (scores - scores.mean(axis=1, keepdims=True) - standing + standing.mean())[here].T @ x[here] @ turn

    def slope(w: Weights, step: int) -> Weights:
        """Gradient on a random batch."""
        rows = rng.choice(here, min(batch, len(here)), replace=False)
        near = Triples.drawn(group[rows], contrast.others, rng)
        return contrast.slope(w, x[rows], good[rows], bad[rows], near)[1]

    def lean(w: Weights) -> Lean:
        """How far likeness moves the scores of the held-out questions."""
        return Lean.of(likeness(w, x[held]), scores[held], standing, likeness(w, x[here]).mean(axis=0))

    found = descent.down({"turn": turn, "members": _unit(members)[0]}, slope, lambda w: lean(w).gain)
    return found, lean(found)


def likeness(w: Weights, x: np.ndarray) -> np.ndarray:
    """Cosine of each question and each member, [questions, members]."""
    found: np.ndarray = _unit(x @ w["turn"])[0] @ _unit(w["members"])[0].T
    return found


def _unit(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of length 1, and the lengths they had."""
    import numpy as np

    length = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    return x / length, length


def _through(grad: np.ndarray, unit: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The gradient of what `_unit` was given."""
    found: np.ndarray = (grad - unit * (grad * unit).sum(axis=1, keepdims=True)) / length
    return found
