"""Random member: the control that tells what routing without knowledge is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Members
from consilience.method import Last, Level, Method
from consilience.registry import register
from consilience.types import Request, digest


@register
@dataclass(frozen=True)
class RandomMember(Method):
    """Ask one member, drawn uniformly from the request's content and seed; when it fails, another.

    The draw depends on who the members are, not on their order. A control, not a collaboration.
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "control"
    cost: ClassVar = "1"
    reads: ClassVar = False

    async def run(self, request: Request, members: Members) -> Last:
        """Ask members in an order drawn by question, seed and draw; copies of one model are told apart."""
        lot = [members.run.stream, request.key()]
        return Last.ranked(sorted(members, key=lambda m: digest([*lot, m.card.fingerprint, m.copy])), request)
