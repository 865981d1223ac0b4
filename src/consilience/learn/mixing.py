"""Mixing members' distributions with weights that belong to one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isclose
from typing import TYPE_CHECKING, Literal

from consilience.decode.policy import Move, Policy, Sight

if TYPE_CHECKING:
    from torch import Tensor


Pool = Literal["logits", "probabilities", "confidence"]


@dataclass(frozen=True, slots=True)
class Pooled:
    """Combines by a weighted mean of logits or of probabilities, or of probabilities weighted by certainty at this token."""

    pool: Pool
    weights: tuple[float, ...]
    tau: float

    def combine(self, logits: Tensor) -> Tensor:
        """[members, rows, vocabulary] to [rows, vocabulary]: log-probabilities up to a constant per row."""
        import torch
        from consilience.decode.tensors import entropy, log_probs, mix_log, weigh
        if self.pool == "logits":
            return weigh(self.weights, logits)
        log_p = log_probs(logits)
        weights = torch.tensor(self.weights, dtype=torch.float32, device=logits.device)[:, None].expand(log_p.shape[:2])
        if self.pool == "confidence":
            weights = torch.softmax(weights.log() - entropy(log_p) / self.tau, dim=0)
        return mix_log(weights, log_p)

    def without(self, gone: frozenset[int]) -> Pooled | None:
        """The pool of the others, None when those have no weight: a mean stays one (weights sum to 1), a product of N members
        (weights sum to N) is one of those that are left."""
        left = [w for i, w in enumerate(self.weights) if i not in gone]
        total = 1.0 if isclose(sum(self.weights), 1.0, abs_tol=1e-6) else float(len(left))
        return Pooled(self.pool, tuple(w * total / sum(left) for w in left), self.tau) if sum(left) > 0 else None


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
