"""Mixing members' distributions with weights that belong to one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, Literal

from consilience.decode.policy import Move, Policy, Sight

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Averaged:
    """The weighted mean of the members' probabilities (linear opinion pool), with the same weights for all questions."""

    weights: tuple[float, ...]

    def combine(self, logits: Tensor) -> Tensor:
        """[members, rows, vocabulary] to [rows, vocabulary]."""
        import torch
        from consilience.decode.tensors import log_probs, mix_log

        return mix_log(torch.tensor(self.weights, device=logits.device), log_probs(logits))

    def without(self, gone: frozenset[int]) -> Averaged | None:
        """The mean of the others; None when those have no weight."""
        left = [w for i, w in enumerate(self.weights) if i not in gone]
        return Averaged(tuple(w / sum(left) for w in left)) if sum(left) > 0 else None


@dataclass(frozen=True)
class Mixed(Policy):
    """Everybody is asked, and the row's own numbers (`state`, [members], summing to 1) weigh logits or probabilities."""

    pool: Literal["logits", "probabilities"] = "logits"

    def decide(self, sight: Sight) -> Move:
        """Scores of the rows, once all members are known; one that has left a row has no weight there."""
        import torch
        from consilience.decode.tensors import log_probs, mix_log

        asked = sight.known | sight.gone
        if not asked.all():
            return Move(~asked)
        log_p = log_probs(torch.stack(list(sight.logits)))
        weights = sight.state.T.masked_fill(sight.gone, 0.0)
        weights = weights / weights.sum(0).clamp_min(1e-12)
        if self.pool == "probabilities":
            return Move(scores=mix_log(weights, log_p))
        parts = torch.where(weights[..., None] > 0, weights[..., None] * log_p.clamp_min(-30.0), 0.0)
        return Move(scores=parts.sum(0))


def softmax(values: Sequence[float], tau: float = 1.0) -> list[float]:
    """Weights exp(v / tau), made to sum to 1; as tau falls to 0, all weight goes to the largest."""
    if tau <= 0:
        best = max(values)
        return [float(v == best) / sum(w == best for w in values) for v in values]
    top = max(values)
    parts = [exp((v - top) / tau) for v in values]
    return [part / sum(parts) for part in parts]
