"""Majority vote: ask all, answer with what most say. Folklore; weights: Nitzan & Paroush 1982."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from consilience.compare import likelihood
from consilience.errors import TeamError
from consilience.gather import Members, Wave, ask_all, classes, tally, winner
from consilience.method import Count, Level, Method
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class MajorityVote(Method):
    """Answer with the reading that most draws share.

    Ties go to the member that is better on dev, then to team order. When nobody can be read, the best member's text
    answers, marked unread. Weights need dev scores. Deviation: C of the log-odds is the number of answers seen.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "More Agents Is All You Need, arXiv 2402.05120; weighted: Nitzan & Paroush 1982"
    cost: ClassVar = "N*draws"
    compares: ClassVar = True

    draws: Count = 1
    """Samples taken from each member."""
    weights: Literal["equal", "accuracy", "log-odds", "likelihood"] = "equal"
    """Weight of a vote: 1, the member's dev accuracy p, ln(p(C-1)/(1-p)) over C answers seen (p in [.01, .99]), or how likely
    the member found its own answer (geometric mean of its token probabilities)."""
    extras = property(lambda self: frozenset({"logprobs"} if self.weights == "likelihood" else ()))

    async def run(self, request: Request, members: Members) -> Reply:
        wave = await ask_all(members, request, self.draws)
        options = max(2, len(await classes(request, wave.replies)))
        groups = await classes(request, wave.replies, lambda r: self._weight(wave, r, options))
        if not groups:
            return wave.best
        return winner(groups, wave).noting(votes=tally(groups))

    def _weight(self, wave: Wave, reply: Reply, options: int) -> float:
        p = wave.speaker(reply).standing
        if self.weights == "equal":
            return 1.0
        if self.weights == "likelihood":
            return likelihood(reply)
        if p is None:
            raise TeamError(f"majority-vote with weights={self.weights!r} needs dev scores: fit the team first")
        if self.weights == "accuracy":
            return p
        p = min(0.99, max(0.01, p))
        return max(0.0, math.log(p * (options - 1) / (1 - p)))
