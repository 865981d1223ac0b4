"""Contrasts of next-token distributions: what some members like more than others do."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Literal

from consilience.model import Combiner

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Contrasted:
    """The first `top` members against the rest, on the tokens with at least `alpha` of the first one's top probability."""

    alpha: float
    beta: float
    form: Literal["logits", "difference"] = "logits"
    top: int = 1

    def combine(self, logits: Tensor) -> Tensor:
        """[members, rows, vocabulary] to [rows, vocabulary]."""
        from consilience.decode.tensors import log_probs

        log_p = log_probs(logits)
        lead, above, below = log_p[0], log_p[:self.top].sum(0), log_p[self.top:].sum(0)
        scores = above - below if self.form == "difference" else lead + self.beta * (above - below)
        keep = lead >= lead.amax(-1, keepdim=True) + log(self.alpha) if self.alpha else lead == lead
        return scores.masked_fill(~keep, float("-inf"))

    def without(self, gone: frozenset[int]) -> Combiner | None:
        """The leading expert alone; None when that has left."""
        from consilience.decode.tensors import Alone

        return None if 0 in gone else Alone()
