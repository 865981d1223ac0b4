"""Most confident: everybody answers, and whoever is surest of its own answer is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from consilience.gather import Members, ask_all, place_of
from consilience.learn.confidence import measure
from consilience.method import Count, Level, Method
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class MostConfident(Method):
    """Ask all members and answer with the surest one's reply.

    With `agreement` (SLM-MUX) a member is as sure as the share of its `draws` samples that agree, and gives the answer
    of most of them; samples that cannot be read count in the whole. Ties (within 1e-9) go to the better on dev.
    Deviation: SLM-MUX's search for members that complement each other is left to the choice of the pool.
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "SLM-MUX, arXiv 2510.05077; by likelihood: folklore"
    cost: ClassVar = "N*(1 + (confidence == 'agreement')*(draws - 1))"

    confidence: Literal["mean", "min", "agreement"] = "mean"
    """Mean or least token probability, or the share of samples that agree."""
    draws: Count = 5
    """Samples of each member for `agreement`."""
    extras = property(lambda self: frozenset({"logprobs"} if self.confidence != "agreement" else ()))
    compares = property(lambda self: self.confidence == "agreement")

    async def run(self, request: Request, members: Members) -> Reply:
        wave = await ask_all(members, request, self.draws if self.confidence == "agreement" else 1)
        found = []
        for member, replies in zip(wave.members, wave.by_member, strict=True):
            if any(r.text for r in replies):
                chosen, sure = await measure(request, replies, self.confidence)
                found.append((-round(sure, 9), *place_of(member), replies[chosen]))
        if not found or not any(f[0] for f in found):
            return wave.best
        sure, *_, reply = min(found, key=lambda f: f[:4])
        return reply.noting(confidence=-sure, sure={f[-1].model: -f[0] for f in found})
