"""Majority vote: ask all, answer with what most say. Folklore; weights: Nitzan & Paroush 1982."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from consilience.gather import Class, Members, Wave, ask_all, classes, tally
from consilience.method import Level, Method
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class MajorityVote(Method):
    """Answer with the reading that most draws share.

    Ties go to the member that is better on dev, then to team order. When nobody can be read, the best member's text
    answers, marked unread.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "More Agents Is All You Need, arXiv 2402.05120; weighted: Nitzan & Paroush 1982"
    cost: ClassVar = "N*draws"
    compares: ClassVar = True

    draws: int = 1
    """Samples taken from each member."""
    weights: Literal["equal", "accuracy", "log-odds"] = "equal"
    """Weight of a vote: 1, the member's dev accuracy p, or ln(p(C-1)/(1-p)) over C answers seen (p in [.01, .99])."""

    async def run(self, request: Request, members: Members) -> Reply:
        wave = await ask_all(members, request, self.draws)
        options = max(2, len(await classes(request, wave.replies)))
        groups = await classes(request, wave.replies, lambda r: self._weight(wave, r, options))
        if not groups:
            return wave.best
        return winner(groups, wave).noting(votes=tally(groups))

    def _weight(self, wave: Wave, reply: Reply, options: int) -> float:
        p = wave.speaker(reply).standing
        if self.weights == "equal" or p is None:
            return 1.0
        if self.weights == "accuracy":
            return p
        p = min(0.99, max(0.01, p))
        return max(0.0, math.log(p * (options - 1) / (1 - p)))


def winner(groups: list[Class], wave: Wave) -> Reply:
    """First reply of the heaviest class; ties to the class whose best voter is better on dev, then team order."""
    def rank(group: Class) -> tuple[float, float, int]:
        voters = [wave.speaker(r) for r in group.replies]
        return (-round(group.weight, 9), -max(v.standing or 0.0 for v in voters), min(v.index for v in voters))

    return min(groups, key=rank).replies[0]
