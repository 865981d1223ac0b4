"""Combiners for drafting and checking: what tokens are drawn from, given a target's and a drafter's logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Deferring:
    """(1 - d) q + d p, with d = 1 where max q < max p - alpha TV(p, q): p the target (0), q the drafter (1)."""

    alpha: float

    def combine(self, logits: Tensor) -> Tensor:
        """[2, rows, vocabulary] to [rows, vocabulary]."""
        import torch
        from consilience.decode.tensors import log_probs

        p, q = log_p = log_probs(logits)
        apart = 0.5 * (p.exp() - q.exp()).abs().sum(-1)
        defer = q.exp().amax(-1) < p.exp().amax(-1) - self.alpha * apart
        return torch.where(defer[:, None], log_p[0], log_p[1])


@dataclass(frozen=True, slots=True)
class RollingBack:
    """The drafter (1), but the target (0) where the drafter's likeliest token has less than `sure`, or a loss of more than
    `most` nats under the target."""

    most: float
    sure: float

    def combine(self, logits: Tensor) -> Tensor:
        """[2, rows, vocabulary] to [rows, vocabulary]."""
        import torch
        from consilience.decode.tensors import log_probs

        p, q = log_p = log_probs(logits)
        top, place = q.max(-1, keepdim=True)
        back = (top.exp() < self.sure) | (-p.gather(-1, place) > self.most)
        return torch.where(back, log_p[0], log_p[1])
