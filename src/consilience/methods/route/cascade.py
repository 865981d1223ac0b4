"""Cascade: ask the cheapest first, and pass the question on while the answer is not sure enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from consilience.gather import Member, Members, ask_all
from consilience.learn.cascades import Choice, Climb, Ordered, own_word
from consilience.learn.confidence import measure, quantile, sampled
from consilience.method import Count, Share
from consilience.registry import register
from consilience.types import Reply, Request

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class Cascade(Ordered):
    """Members answer from cheap to dear until one is sure; the last one's answer is taken as it is.

    Thresholds, one per rung, are those that score best on dev, or that meet the stated target; `quantile` sets them to
    that quantile of a member's own dev confidences instead (MoCo: 0.5). An answer that cannot be read is never sure. Use
    it where a cheap member knows what it knows. Deviations: the probabilities are those of the emitted tokens; `ask` is a
    call of its own (`check`); `margin` is the lead of the first reading's share of samples over the second's.
    """

    paper: ClassVar = "MoCo, arXiv 2601.21257; agreement of teams: arXiv 2407.02348"
    cost: ClassVar = ("(N - 1)*(1 + (confidence == 'ask') + ((confidence == 'agreement') + (confidence == 'margin'))"
                      "*(draws - 1)) + 1")

    confidence: Literal["mean", "min", "agreement", "margin", "ask"] = "mean"
    """Mean or least token probability, share of `draws` samples that agree or its lead, or the member's own word."""
    draws: Count = 3
    """Samples per rung for `agreement` and `margin`; a single one of a voting team has the share of its votes
    (let it ask all: `stop: never`)."""
    quantile: Share | None = None
    """Share of dev questions that each rung passes on; none: the thresholds that score best on dev."""
    extras = property(lambda self: frozenset({"logprobs"} if self.confidence in ("mean", "min") else ()))
    compares = property(lambda self: sampled(self.confidence))
    given = property(lambda self: 0.5 if self.confidence == "ask" else None)

    async def tries(self, request: Request, member: Member, members: Members) -> Reply:
        """The member's answer, of several samples the one that most share; the evidence is the measure named by
        `confidence`."""
        [replies] = (await ask_all([member], request, self.draws if sampled(self.confidence) else 1)).by_member
        if self.confidence != "ask":
            chosen, sure = await measure(request, replies, self.confidence)
            return replies[chosen].noting(evidence=sure)
        return replies[0].noting(evidence=float("yes" in await own_word(request, replies[0], member)))

    def choices(self, climb: Climb, sure: np.ndarray, place: int) -> list[Choice]:
        """For one rung the thresholds to search over, or the one that `quantile` names."""
        if self.quantile is None:
            return super().choices(climb, sure, place)
        return [quantile([max(0.0, float(s)) for s in sure], self.quantile)]
