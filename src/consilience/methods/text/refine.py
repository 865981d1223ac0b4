"""Multiagent refine: everybody improves its answer after reading all the others', and the best writes the last one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from consilience.gather import Members, Wave, put, shuffled
from consilience.learn.rounds import discussed, summary
from consilience.method import Count, Last, Level, Method, Role
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class MultiagentRefine(Method):
    """Answer, read the others' answers, improve, several times; then a summariser writes the final answer from all.

    A member that fails keeps its last answer; one that was absent at first stays absent. A member without peers is
    asked to fuse its own answer alone (self-refine). When the summary fails or cannot be read, a vote over the last answers
    that can be read answers. Deviations: peers stand in an order drawn per question, their names are hidden, and with
    `early_stop` unanimity ends the discussion without a summary.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "MoCo, arXiv 2601.21257; Self-Refine, arXiv 2303.17651; multiagent debate, arXiv 2305.14325"
    cost: ClassVar = "N*rounds + 1"
    roles: ClassVar = (Role("summariser", doc="writes the final answer from all last answers"),)

    rounds: Count = 3
    """Rounds including the first answers; 1 is a summary of them alone."""
    early_stop: bool = True
    """Answer at once when all readings agree."""

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Rounds in which every member refines its answer by the others', then the summariser's answer."""
        _, last = await discussed(request, members, self.rounds, partial(self._requests, request), self.early_stop)
        return await summary(request, last, members.role("summariser"), self.early_stop)

    async def _requests(self, request: Request, wave: Wave, turn: int) -> list[Request | None]:
        texts = [reply.text if reply is not None else None for reply in wave.firsts]
        found: list[Request | None] = []
        for i, own in enumerate(texts):
            peers = shuffled(request, [text for j, text in enumerate(texts) if j != i and text])
            refine = put(request, "refine", answer=own or "", peers=peers) if peers else None
            found.append((refine or put(request, "fuse", candidates=[own])) if own else None)
        return found
