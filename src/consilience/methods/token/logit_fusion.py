"""Logit fusion: all members decode one text together, every token drawn from their combined distribution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from consilience.errors import TeamError
from consilience.gather import Members, write_together
from consilience.method import Cast, Dev, Level, Method
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request

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
        """The pool of the others, their weights made to sum to 1; None when those have no weight."""
        left = [w for i, w in enumerate(self.weights) if i not in gone]
        return Pooled(self.pool, tuple(w / sum(left) for w in left), self.tau) if sum(left) > 0 else None


@register
@dataclass(frozen=True)
class LogitFusion(Method):
    """Average the members' next-token distributions, token by token.

    `confidence` weighs each member at each token by softmax(-entropy / tau). Members share one host and one
    vocabulary. When they cannot decode together, the best member answers alone.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "linear and log-linear opinion pools; MoCo (logit fusion), arXiv 2601.21257"
    cost: ClassVar = "N"
    needs: ClassVar = (NextTokens,)

    pool: Pool = "logits"
    """What is averaged: logits (a geometric mean: every member can veto) or probabilities, equally or by certainty."""
    weights: tuple[float, ...] = ()
    """Weights of the members in team order, made to sum to 1; none: equal."""
    tau: float | None = None
    """Temperature of the certainty weights, in nats; none: from dev (1 without a fit)."""

    def check(self, cast: Cast) -> None:
        w = self.weights
        if w and (len(w) != len(cast.members) or min(w) < 0 or sum(w) <= 0):
            raise TeamError(f"logit-fusion needs {len(cast.members)} weights >= 0 with a sum above 0, got {w}")

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        if self.pool != "confidence" or self.tau:
            return self
        scores = {t: sum(await dev.evaluate(replace(self, tau=t), cast.members)) for t in (1.0, 0.3, 0.1, 0.03, 0.01)}
        return self.with_learned({"tau": max(scores, key=lambda t: scores[t])})

    async def run(self, request: Request, members: Members) -> Reply:
        tau = self.tau or (self.learned.values["tau"] if self.learned is not None else 1.0)
        weights = [w / (sum(self.weights) or len(members)) for w in self.weights or (1.0,) * len(members)]
        return await write_together(members, request, Pooled(self.pool, tuple(weights), tau), members.ranking)
