"""Best of N: sample many answers and keep the one that a verifier rates highest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isnan
from typing import ClassVar, Literal

from consilience.errors import ModelError, NoAnswerError
from consilience.gather import Members, absence, ask_all, classes, place_of, plurality, tally, winner
from consilience.method import Count, Level, Method, Role
from consilience.model import Verify
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class BestOfN(Method):
    """All members answer `draws` times, the verifier rates all answers, and the best one is given.

    `sum` gives the answer whose samples have the largest sum of scores, as probabilities (sigmoid), instead. An answer
    that cannot be read or has no score never wins over one that has; equal scores go to the member better on dev, then
    to the earlier sample. Without any score, the majority's answer.
    """

    level: ClassVar = Level.SEARCH
    paper: ClassVar = "Training Verifiers, arXiv 2110.14168; weighted: arXiv 2211.14275"
    cost: ClassVar = "2*N*draws"
    roles: ClassVar = (Role("verifier", (Verify,), "", "rates answers; each answer it reads is a call"),)

    draws: Count = 4
    """Samples of each member."""
    choose: Literal["best", "sum"] = "best"
    """The sample with the highest score, or the answer with the largest sum of scores."""
    compares = property(lambda self: self.choose == "sum")

    async def run(self, request: Request, members: Members) -> Reply:
        """The readable answer with the highest score, or by `sum` the group of equal answers with the highest sum; a vote
        where nothing could be rated."""
        wave = await ask_all(members, request, self.draws)
        usable = [r for r in wave.replies if request.format is None or r.reading is not None]
        if not usable:
            return wave.best
        rated = await self._rate(request, usable, members)
        if not rated:
            return (await plurality(request, wave)).noting(fallback="no score")
        if self.choose == "sum":
            groups = await classes(request, [r for r, _ in rated], lambda r: _chance(rated, r))
            return winner(groups, wave).noting(votes=tally(groups))
        reply, score = max(rated, key=lambda pair: (pair[1], *(-x for x in place_of(wave.speaker(pair[0])))))
        return reply.noting(score=round(score, 6), rated=len(rated))

    async def _rate(self, request: Request, replies: Sequence[Reply], members: Members) -> list[tuple[Reply, float]]:
        verifier = members.role("verifier")
        try:
            scores = await verifier.verify(request, [r.text or "" for r in replies])
        except (ModelError, NoAnswerError) as error:
            verifier.run.absent.append(absence(verifier, error))
            return []
        return [(r, s) for r, s in zip(replies, scores, strict=True) if s is not None and not isnan(s)]


def _chance(rated: Sequence[tuple[Reply, float]], reply: Reply) -> float:
    score = next(s for r, s in rated if r is reply)
    return 1 / (1 + exp(-score)) if score > -700 else 0.0
