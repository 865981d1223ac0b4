"""GlimpRouter: the small model looks one token ahead, and the large one writes the steps at which it hesitates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar, Literal, Self

from consilience.errors import ConfigError, TeamError
from consilience.gather import Members, put
from consilience.learn.confidence import quantile
from consilience.learn.steps import Stepwise
from consilience.learn.trials import team
from consilience.method import Cast, Dev, Last, Role, Share
from consilience.model import Continue
from consilience.registry import register
from consilience.types import Reply, Request

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Shares of steps by the large model that a target chooses among."""


@register
@dataclass(frozen=True)
class GlimpRouter(Stepwise):
    """Before each step the small model computes one token: high entropy hands the step to the large model, which also
    writes the final answer from the whole trace.

    For long reasoning with a strong and a cheap model. The threshold is learned on dev: such that `share` of the steps
    are the large model's, or the share that a stated target asks for. Deviations: the entropy is that of the five
    likeliest tokens and the rest as one (a lower bound, for which the threshold is learned too); the final answer is
    asked for in the form `fuse`. Members that think in a block of their own need `thinking: false`.
    """

    paper: ClassVar = "GlimpRouter, arXiv 2601.05110"
    cost: ClassVar = "2*steps + (final == 'large')"
    roles: ClassVar = (Role("small", (Continue,), "worst", "writes the easy steps; gives log-probabilities"),
                       Role("large", (Continue,), "best", "writes the hard steps and the final answer"))
    extras: ClassVar = frozenset({"logprobs"})
    must_fit = property(lambda self: self.threshold is None)

    share: Share = 0.25
    """Share of dev steps that the large model writes, where no target is stated."""
    threshold: float | None = None
    """Entropy (nats) above which the large model writes the step; none: learned on dev."""
    final: Literal["large", "trace"] = "large"
    """Whether the large model writes the answer from the trace, or the trace is the answer."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for a small model that gives no log-probabilities."""
        if "logprobs" not in (card := cast.roles["small"][0].card).settings:
            raise TeamError(f"glimp-router reads log-probabilities of its small model, which {card.name} does not give")

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Learn the threshold from the entropies (nats) of the small model's dev steps: their quantile that leaves `share` of
        the steps to the large one, or the best quantile for the target. ConfigError where it wrote none."""
        if self.threshold is not None:
            return self
        [alone] = await dev.replies([team(replace(self, threshold=inf, final="trace"), cast)])
        seen = [h for scored in alone if scored.reply for h in scored.reply.note["entropies"]]
        if not seen:
            raise ConfigError("glimp-router saw no step of its small model on dev, so there is no threshold to learn")
        cuts = [quantile(seen, 1 - share) if share < 1 else -1.0 for share in (SHARES if self.aims else [self.share])]
        return await self.choose(dev, cast, "threshold", cuts) if self.aims else self.with_learned({"threshold": cuts[0]})

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Write step by step; `entropies` in the note are those of the small model's glimpses (nats). When both roles are one
        model, it answers alone."""
        small, large = members.role("small"), members.role("large")
        if small.card.fingerprint == large.card.fingerprint:
            return Last(large, request)
        trace, seen, hard, limit = self.trace(request), [], False, self.chosen("threshold")
        while not trace.over:
            if not trace.inside:
                seen.append(await trace.glimpse(small))
                hard = seen[-1] > limit
            trace = trace.plus(await trace.by(*((large, small) if hard else (small, large))))
        whole = trace.reply().noting(entropies=[round(h, 6) for h in seen if 0 <= h < inf])
        if self.final == "trace" or not whole.text:
            return whole
        return Last(large, put(request, "fuse", candidates=[whole.text]), whole, whole.note)
