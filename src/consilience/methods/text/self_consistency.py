"""Self-consistency: many samples of one member, and the answer that most of them reach. Wang et al. 2023."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import comb
from typing import ClassVar, Literal

from consilience.compare import likelihood
from consilience.errors import NoAnswerError
from consilience.gather import Class, Member, Members, Wave, attempt_each, check_quorum, classes, tally, winner
from consilience.method import Count, Level, Method, Share
from consilience.registry import register
from consilience.types import Reply, Request
from consilience.voting import enough, lead


@register
@dataclass(frozen=True)
class SelfConsistency(Method):
    """Sample the best member on dev several times and answer with the most frequent reading.

    When that member fails, the next best is sampled. Ties go to the earliest sample. Samples are drawn in waves until the
    rule `stop` is met; a sample that cannot be read counts towards `draws` alone.
    Deviation: the paper takes 40 samples; sampling itself (temperature) belongs to the request.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "Self-Consistency, arXiv 2203.11171; adaptive: Let's Sample Step by Step, arXiv 2305.11860"
    cost: ClassVar = "draws"
    compares: ClassVar = True

    draws: Count = 5
    """Samples at most."""
    stop: Literal["never", "lead", "beta"] = "lead"
    """Stop early when the lead cannot be caught by the samples left (which changes no answer), or when the leader is the true
    mode with `confidence`."""
    confidence: Share = 0.95
    """Probability that the Beta rule asks for."""
    window: int = 0
    """Samples per wave when stopping early; 0: as few as could meet the rule."""
    weights: Literal["equal", "likelihood"] = "equal"
    """Weight of a sample: 1, or the geometric mean of its token probabilities."""

    extras = property(lambda self: frozenset({"logprobs"} if self.weights == "likelihood" else ()))

    async def run(self, request: Request, members: Members) -> Reply:
        """The vote of the best member on dev with itself; when it fails, that of the next."""
        *better, last = members.ranking
        for member in better:
            with suppress(NoAnswerError):
                return await self._sample(request, member)
        return await self._sample(request, last)

    async def _sample(self, request: Request, member: Member) -> Reply:
        drawn, groups = tuple[Reply, ...](), list[Class]()
        while wanted := self._wanted(groups, self.draws - len(drawn)):
            more = await attempt_each([member], [request], wanted)
            drawn += more.by_member[0]
            wave = Wave((member,), (drawn,))
            check_quorum(wave)
            if not more.by_member[0]:
                break
            groups = await classes(request, wave.replies, likelihood if self.weights == "likelihood" else lambda _: 1.0)
        return (winner(groups, wave) if groups else wave.best).noting(votes=tally(groups), samples=len(drawn))

    def _wanted(self, groups: list[Class], left: int) -> int:
        """Samples of the next wave; 0 when the rule is met, or none are left."""
        if self.stop == "never":
            return left
        fewest = enough(lead(groups), [1.0] * left) if lead(groups) <= left + 1e-9 else 0
        if self.stop == "beta":
            a, b = (*sorted((len(g.replies) for g in groups), reverse=True), 0, 0)[:2]
            fewest = next((k for k in range(left == self.draws, left) if leading(a + k, b) >= self.confidence), left)
        return min(left, max(fewest, self.window)) if fewest else 0


def leading(a: int, b: int) -> float:
    """Probability that an answer seen `a` times is likelier than one seen `b` times: Pr[p > 1/2], p ~ Beta(a+1, b+1)."""
    return sum(comb(a + b + 1, i) for i in range(a + 1)) / 2 ** (a + b + 1)
