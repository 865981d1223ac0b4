"""Self-consistency: many samples of one member, and the answer that most of them reach. Wang et al. 2023."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import comb
from typing import ClassVar, Literal

from consilience.compare import likelihood
from consilience.errors import NoAnswerError
from consilience.gather import Class, Member, Members, Wave, ask_all, classes, tally, winner
from consilience.method import Count, Level, Method, Share
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class SelfConsistency(Method):
    """Sample the best member on dev several times and answer with the most frequent reading.

    When that member fails, the next best is sampled. Ties go to the earliest sample. With `stop`, samples are drawn in
    waves of `window` until the rule is met; a sample that cannot be read counts towards `draws` alone.
    Deviation: the paper takes 40 samples; sampling itself (temperature) belongs to the request.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "Self-Consistency, arXiv 2203.11171; adaptive: Let's Sample Step by Step, arXiv 2305.11860"
    cost: ClassVar = "draws"
    compares: ClassVar = True

    draws: Count = 5
    """Samples at most."""
    stop: Literal["never", "lead", "beta"] = "never"
    """Stop early when the lead exceeds the samples left, or when the leader is the true mode with `confidence`."""
    confidence: Share = 0.95
    """Probability that the Beta rule asks for."""
    window: Count = 1
    """Samples per wave when stopping early."""
    weights: Literal["equal", "likelihood"] = "equal"
    """Weight of a sample: 1, or the geometric mean of its token probabilities."""

    extras = property(lambda self: frozenset({"logprobs"} if self.weights == "likelihood" else ()))

    async def run(self, request: Request, members: Members) -> Reply:
        *better, last = members.ranking
        for member in better:
            with suppress(NoAnswerError):
                return await self._sample(request, member)
        return await self._sample(request, last)

    async def _sample(self, request: Request, member: Member) -> Reply:
        step = self.draws if self.stop == "never" else self.window
        drawn: tuple[Reply, ...] = ()
        groups: list[Class] = []
        while len(drawn) < self.draws and not self._settled(groups, self.draws - len(drawn)):
            wave = await ask_all([member], request, min(step, self.draws - len(drawn)))
            drawn += wave.by_member[0]
            wave = Wave((member,), (drawn,))
            groups = await classes(request, wave.replies, likelihood if self.weights == "likelihood" else lambda _: 1.0)
        return (winner(groups, wave) if groups else wave.best).noting(votes=tally(groups), samples=len(drawn))

    def _settled(self, groups: list[Class], left: int) -> bool:
        counts = sorted((len(g.replies) for g in groups), reverse=True)
        if self.stop == "never" or not counts:
            return False
        a, b = (*counts, 0)[:2]
        return a - b > left if self.stop == "lead" else leading(a, b) >= self.confidence


def leading(a: int, b: int) -> float:
    """Probability that an answer seen `a` times is likelier than one seen `b` times: Pr[p > 1/2], p ~ Beta(a+1, b+1)."""
    return sum(comb(a + b + 1, i) for i in range(a + 1)) / 2 ** (a + b + 1)
