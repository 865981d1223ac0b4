"""How good an answer looks: what question and answer together say about its being right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log1p
from typing import TYPE_CHECKING, Self

from consilience.learn.embedding import Encoder, fitted, restored
from consilience.learn.estimators import fit_logistic, logistic
from consilience.prompt import clip

if TYPE_CHECKING:
    import numpy as np

CHARACTERS = 2000
"""Of a longer answer the tail is read."""
PENALTY = 1.0
"""Inverse penalty of the regression."""

_SPACE = "space."
"""Prefix of an encoder's arrays."""

Folds = Sequence[tuple["np.ndarray", "np.ndarray"]]
"""Pairs of rows to learn from and rows to judge."""


@dataclass(frozen=True, slots=True)
class Judge:
    """For each member the probability that its answer is right: logistic regression on vectors of question and answer,
    their likeness, and the answer's length. `weights` [members, width], `bias` [members]."""

    encoder: Encoder
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, encoder: Encoder, questions: Sequence[str], answers: Sequence[Sequence[str | None]], scores: np.ndarray,
           folds: Folds) -> tuple[Self, np.ndarray]:
        """Learn from answers `[member][question]` (None: no answer) and their `scores` [questions, members].

        Also gives the probabilities [members, questions] of these answers, each judged by what the other folds taught. The
        judge is the mean of what the folds taught, so that it is as outspoken as they are, and thresholds hold for it.
        """
        import numpy as np

        asked, unseen = encoder.encode(questions), np.zeros((len(answers), len(questions)))
        lines = np.zeros((len(answers), 2 * asked.shape[1] + 3))
        for m, line in enumerate(answers):
            x, there = _features(encoder, asked, line), np.array([bool(a) for a in line])
            for here, others in folds:
                rows = here[there[here]]
                found = fit_logistic(x[rows], scores[rows, m:m + 1], PENALTY)
                unseen[m, others] = logistic(found, x[others])[:, 0]
                lines[m] += np.append(found["weights"][0], found["bias"]) / len(folds)
        return cls(encoder, lines[:, :-1], lines[:, -1]), unseen

    @classmethod
    def restored(cls, embedding: str, arrays: Mapping[str, np.ndarray]) -> Self:
        """From `arrays()`."""
        return cls(reader_again(embedding, arrays), arrays["judge.weights"], arrays["judge.bias"])

    def arrays(self) -> dict[str, np.ndarray]:
        """To be saved."""
        return {**reader_arrays(self.encoder), "judge.weights": self.weights, "judge.bias": self.bias}

    def rate(self, question: str, answer: str | None, place: int) -> float:
        """Probability that this answer of the member at this place is right."""
        x = _features(self.encoder, self.encoder.encode([question]), [answer])
        line = {"weights": self.weights[place:place + 1], "bias": self.bias[place:place + 1]}
        return float(logistic(line, x)[0, 0])


def reader(embedding: str, questions: Sequence[str], answers: Sequence[Sequence[str | None]] = ()) -> Encoder:
    """An encoder for questions and answers like these."""
    return fitted(embedding, [*dict.fromkeys([*questions, *(_cut(a) for line in answers for a in line if a)])])


def reader_arrays(encoder: Encoder) -> dict[str, np.ndarray]:
    """An encoder's arrays, to be saved beside others."""
    return {_SPACE + k: v for k, v in encoder.arrays().items()}


def reader_again(embedding: str, arrays: Mapping[str, np.ndarray]) -> Encoder:
    """The encoder of `reader_arrays`."""
    return restored(embedding, {k.removeprefix(_SPACE): v for k, v in arrays.items() if k.startswith(_SPACE)})


def _features(encoder: Encoder, asked: np.ndarray, answers: Sequence[str | None]) -> np.ndarray:
    """Vectors of question and answer, their cosine, and the logarithm of the answer's length in characters."""
    import numpy as np

    said = encoder.encode([_cut(a or "") for a in answers])
    size = np.array([[log1p(len(a or "")) / 5] for a in answers])
    return np.hstack([asked, said, (asked * said).sum(axis=1, keepdims=True), size])


def _cut(answer: str) -> str:
    return clip(answer, CHARACTERS)
