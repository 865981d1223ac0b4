"""Relay: the strong model begins the answer, the weak one finishes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from consilience.gather import Members
from consilience.learn.steps import Stepwise
from consilience.method import Cast, Dev, Last, Role
from consilience.model import Continue
from consilience.registry import register
from consilience.types import Reply, Request

HANDOVERS = (0, 1, 2, 4)
"""Numbers of first steps that are tried on dev."""


@register
@dataclass(frozen=True)
class Relay(Stepwise):
    """The strong model writes the first `handover` steps of the answer, and the weak one goes on from there to the end.

    For answers whose plan is harder than its execution. The number of steps is learned on dev, for the target where one
    is stated. A model that fails is stood in for by the other. Deviations: one answer instead of a dialogue of two seats;
    no grader reads the transcript, the answer is read as any other. Members that think in a block of their own need
    `thinking: false`.
    """

    paper: ClassVar = "The Collaboration Gap, arXiv 2511.02687"
    cost: ClassVar = "min(4 if handover is None else handover, steps) + 1"
    roles: ClassVar = (Role("strong", (Continue,), "best", "writes the first steps"),
                       Role("weak", (Continue,), "worst", "writes the rest"))
    must_fit = property(lambda self: self.handover is None)

    handover: int | None = None
    """Steps after which the other model goes on; 0: it writes all; none: the best of 0, 1, 2 and 4 on dev."""
    first: Literal["strong", "weak"] = "strong"
    """Who begins; `weak` is the control in the reversed order."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Choose `handover` among 0, 1, 2 and 4 on dev; with one given nothing is learned."""
        return self if self.handover is not None else await self.choose(dev, cast, "handover", HANDOVERS)

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """The one begins, the other ends; when both roles are one model, it answers alone."""
        begins, ends = members.role("strong"), members.role("weak")
        if begins.card.fingerprint == ends.card.fingerprint:
            return Last(begins, request)
        if self.first == "weak":
            begins, ends = ends, begins
        trace, handover = self.trace(request), self.chosen("handover")
        while not trace.over and len(trace.steps) < handover:
            trace = trace.plus(await trace.by(begins, ends))
        if not trace.over:
            trace = trace.plus(await trace.by(ends, begins, whole=True))
        return trace.reply()
