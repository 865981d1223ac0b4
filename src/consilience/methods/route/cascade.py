"""Cascade: ask the cheapest first, and pass the question on while the answer is not sure enough."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from consilience.errors import NoAnswerError
from consilience.gather import Member, Members, ask_all, price_of, put
from consilience.learn.confidence import learn_thresholds, measure, on_dev
from consilience.method import Cast, Count, Dev, Last, Level, Method, Share
from consilience.model import Card
from consilience.registry import register
from consilience.types import Draws, Reply, Request


@register
@dataclass(frozen=True)
class Cascade(Method):
    """Members answer from cheap to dear until one is sure; the last one's answer is taken as it is.

    Thresholds are learned on dev, one per rung from the last to the first, so that the dev score is highest; `quantile`
    sets them to that quantile of a member's own dev confidences instead (MoCo: 0.5). An answer that cannot be read is
    never sure. Deviations: the probabilities are those of the emitted tokens; `ask` is a call of its own (`check`).
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "MoCo, arXiv 2601.21257; Language Model Cascades, arXiv 2404.10136"
    cost: ClassVar = "(N - 1)*(1 + (confidence == 'ask') + (confidence == 'agreement')*(draws - 1)) + 1"

    confidence: Literal["mean", "min", "agreement", "ask"] = "mean"
    """Mean or least token probability, share of `draws` samples that agree, or the member's own word."""
    draws: Count = 3
    """Samples per rung for `agreement`; a single one of a voting team has the share of its votes."""
    quantile: Share | None = None
    """Share of dev questions that each rung passes on; none: the thresholds that score best on dev."""
    order: Literal["price", "given"] = "price"
    """Rungs by price (ties: worse on dev first), or in team order."""
    extras = property(lambda self: frozenset({"logprobs"} if self.confidence in ("mean", "min") else ()))
    compares = property(lambda self: self.confidence == "agreement")
    must_fit = property(lambda self: self.confidence != "ask")

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        if self.confidence == "ask":
            return self
        rungs = self._rungs([m.card for m in cast.members], cast.standing)
        draws = self.draws if self.confidence == "agreement" else 1
        tables = [await dev.replies(cast.members, Draws(1, d), self.extras) for d in range(draws)]
        sure = [await on_dev(dev, [t[rung] for t in tables], self.confidence) for rung in rungs[:-1]]
        cuts = learn_thresholds(sure, [s.score for s in tables[0][rungs[-1]]], self.quantile)
        return self.with_learned({"thresholds": {str(rung): cut for rung, cut in zip(rungs, cuts, strict=False)}})

    async def run(self, request: Request, members: Members) -> Reply | Last:
        levels = self.found().values["thresholds"] if self.must_fit else {}
        rungs = [members[i] for i in self._rungs([m.card for m in members], [m.standing or 0.0 for m in members])]
        best, most = None, -1.0
        for member in rungs[:-1]:
            with suppress(NoAnswerError):
                reply, sure = await self._try(request, member)
                if reply.text and 0 < sure >= levels.get(str(member.index), 0.5):
                    return reply
                if reply.text and sure >= most:
                    best, most = reply, sure
        return Last(rungs[-1], request, best, {"rung": rungs[-1].name})

    async def _try(self, request: Request, member: Member) -> tuple[Reply, float]:
        [replies] = (await ask_all([member], request, self.draws if self.confidence == "agreement" else 1)).by_member
        if self.confidence != "ask":
            chosen, sure = await measure(request, replies, self.confidence)
        else:
            check = put(request, "check", answer=replies[0].text or "").sampled(temperature=0.0)
            [[verdict]] = (await ask_all([member], check)).by_member
            chosen, sure = 0, float(verdict.reading == "yes")
        return replies[chosen].noting(rung=member.name, confidence=round(sure, 6)), sure

    def _rungs(self, cards: Sequence[Card], standing: Sequence[float] | None) -> list[int]:
        key = (lambda i: (price_of(cards[i]), standing[i] if standing else 0.0)) if self.order == "price" else None
        return sorted(range(len(cards)), key=key)
