"""Logit fusion: all members decode one text together, every token drawn from their combined distribution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from consilience.errors import TeamError
from consilience.gather import Members, write_together
from consilience.learn.mixing import Pool, Pooled
from consilience.learn.trials import best
from consilience.method import Cast, Dev, Level, Method
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class LogitFusion(Method):
    """Average the members' next-token distributions, token by token.

    `logits` is the geometric mean (any member can veto a token), `probabilities` the arithmetic one (any member can bring one
    in), `confidence` the arithmetic one with each member weighted at each token by softmax(-entropy / tau): for members
    that are sure where they are right. Members share one host and one vocabulary; gac and unite do without. When they
    cannot decode together, the best member answers alone. Deviations: certainty is entropy alone (no margins, no cap of a
    weight, no gate), and members' own temperatures are not calibrated; vetoes have no floor.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "linear and log-linear opinion pools; products of experts, Hinton 2002; MoCo (logit fusion), arXiv 2601.21257"
    cost: ClassVar = "N"
    needs: ClassVar = (NextTokens,)

    pool: Pool = "logits"
    """What is averaged."""
    weights: tuple[float, ...] | Literal["dev"] = ()
    """Weights of the members in team order, or in proportion to their dev scores; none: equal. They are made to sum to 1."""
    tau: float | None = None
    """Temperature of the certainty weights, in nats; none: from dev (1 without a fit)."""
    product: bool = False
    """With `logits`: weights sum to the number of members, which sharpens (a product of experts)."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for weights, a `tau` or a pool that cannot be computed with."""
        w = self.weights
        if w and w != "dev" and (len(w) != len(cast.members) or min(w) < 0 or sum(w) <= 0):
            raise TeamError(f"logit-fusion needs {len(cast.members)} weights >= 0 with a sum above 0, got {w}")
        if self.tau is not None and not self.tau > 0:
            raise TeamError(f"logit-fusion: tau must be above 0, got {self.tau}; none is learned on dev")
        if self.product and self.pool != "logits":
            raise TeamError(f"a product of experts multiplies distributions: pool must be 'logits', got {self.pool!r}")

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Choose `tau` among five on dev where confidence weighs; elsewhere, or with one given, nothing is learned."""
        if self.pool != "confidence" or self.tau:
            return self
        return self.with_learned({"tau": await best(dev, cast, {t: replace(self, tau=t) for t in (1.0, 0.3, 0.1, 0.03, 0.01)})})

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode all with these weights; when they cannot, the best on dev answers alone."""
        tau = self.tau or (self.learned.values["tau"] if self.learned is not None else 1.0)
        given = [m.standing or 0.0 for m in members] if self.weights == "dev" else list(self.weights)
        given = given if sum(given) > 0 else [1.0] * len(members)
        scale = (len(members) if self.product else 1.0) / sum(given)
        scheme = Pooled(self.pool, tuple(w * scale for w in given), tau)
        return await write_together(members, request, scheme, members.ranking)
