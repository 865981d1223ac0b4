"""Tensor helpers for combiners: all in float32, over the last axis (the vocabulary)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def log_probs(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probabilities of raw logits [..., vocabulary]."""
    return torch.log_softmax(logits.float() / temperature, dim=-1)


def entropy(log_p: Tensor) -> Tensor:
    """Entropy in nats of log-probabilities [..., vocabulary]; tokens of probability 0 add nothing."""
    return -(log_p.exp() * log_p.clamp_min(torch.finfo(log_p.dtype).min)).sum(-1)


def mix_log(weights: Tensor, log_p: Tensor) -> Tensor:
    """Log of the weighted sum of probabilities, `log sum_i w_i p_i`, over members [members, rows, vocabulary].

    `weights` is [members] or [members, rows]; a member of weight 0 takes no part, whatever its probabilities.
    """
    weights = weights.to(log_p).reshape(weights.shape[0], -1, 1)
    part = weights.clamp_min(torch.finfo(log_p.dtype).tiny).log() + log_p
    return torch.logsumexp(part.masked_fill(weights == 0, -torch.inf), dim=0)


def weigh(weights: Sequence[float], logits: Tensor) -> Tensor:
    """Weighted sum over members, [members, rows, vocabulary] to [rows, vocabulary]; weight 0 takes no part."""
    used = [i for i, w in enumerate(weights) if w != 0]
    factors = torch.tensor([weights[i] for i in used], dtype=torch.float32, device=logits.device)
    return (factors[:, None, None] * logits[used].float()).sum(0)


@dataclass(frozen=True, slots=True)
class Alone:
    """The combiner of ordinary generation: one member, its own logits."""

    def combine(self, logits: Tensor) -> Tensor:
        """[1, rows, vocabulary] to [rows, vocabulary]."""
        return logits[0]


@dataclass(frozen=True, slots=True)
class Only:
    """One member's own logits; the others are not run, unless they draft for it."""

    member: int

    @property
    def reads(self) -> tuple[int, ...]:
        """That member alone."""
        return (self.member,)

    def combine(self, logits: Tensor) -> Tensor:
        """[1, rows, vocabulary] to [rows, vocabulary]."""
        return logits[0]


@dataclass(frozen=True, slots=True)
class MeanLogits:
    """The mean of the members' raw logits: a geometric mean of their distributions."""

    def combine(self, logits: Tensor) -> Tensor:
        """[members, rows, vocabulary] to [rows, vocabulary]."""
        return logits.mean(0)

    def without(self, gone: frozenset[int]) -> MeanLogits:
        """The mean of the others."""
        return self
