"""Majority vote: ask all, answer with what most say. Folklore; weights: Nitzan & Paroush 1982."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from consilience.compare import Class, likelihood
from consilience.errors import TeamError
from consilience.gather import Member, Members, Wave, ask_all, classes, tally, winner
from consilience.method import Count, Level, Method
from consilience.registry import register
from consilience.types import Reply, Request
from consilience.voting import ask_at_once, ask_in_waves


@register
@dataclass(frozen=True)
class MajorityVote(Method):
    """Answer with the reading that most draws share.

    Ties go to the member that is better on dev, then to team order. When nobody can be read, the best member's text
    answers, marked unread. Weights need dev scores. Members are asked, best first, until the lead cannot be caught, so that
    the winning reading is that of a vote of all. Deviation: C of the log-odds is the number of answers seen, for lettered
    options too: wrong answers are few and shared, and all options for C cost 18 recorded models 1 to 3 points on MMLU-Pro.
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
    stop: Literal["calls", "time", "never"] = "calls"
    """How a decided vote ends: asking in waves as small as could decide it (saves calls); asking all at once and not waiting
    for the rest (saves time); or never. Log-odds need all answers."""

    extras = property(lambda self: frozenset({"logprobs"} if self.weights == "likelihood" else ()))

    async def run(self, request: Request, members: Members) -> Reply:
        """Ask (by `stop`, until the vote cannot turn any more) and count; without a readable answer the best member's stands.
        `unasked` in the note counts the draws that were spared."""
        if self.stop == "never" or self.weights == "log-odds":
            wave = await ask_all(members, request, self.draws)
        else:
            asking = ask_in_waves if self.stop == "calls" else ask_at_once
            wave = await asking(members.ranking, request, self.draws, lambda heard: self._groups(request, heard), self._most)
        groups = await self._groups(request, wave)
        unasked = {"unasked": left} if (left := (len(members) - len(wave.members)) * self.draws) else {}
        return (winner(groups, wave).noting(votes=tally(groups)) if groups else wave.best).noting(**unasked)

    async def _groups(self, request: Request, wave: Wave) -> list[Class]:
        options = max(2, len(await classes(request, wave.replies))) if self.weights == "log-odds" else 2
        return await classes(request, wave.replies, lambda r: self._weight(wave.speaker(r).standing, r, options))

    def _most(self, member: Member) -> float:
        """The most that a member's draws can weigh."""
        return self.draws * (self._weight(member.standing, None, 2) if self.weights == "accuracy" else 1.0)

    def _weight(self, p: float | None, reply: Reply | None, options: int) -> float:
        if self.weights == "equal":
            return 1.0
        if self.weights == "likelihood" and reply is not None:
            return likelihood(reply)
        if p is None:
            raise TeamError(f"majority-vote with weights={self.weights!r} needs dev scores: fit the team first")
        if self.weights == "accuracy":
            return p
        p = min(0.99, max(0.01, p))
        return max(0.0, math.log(p * (options - 1) / (1 - p)))
