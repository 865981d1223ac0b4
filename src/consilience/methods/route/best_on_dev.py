"""Best on dev: the control that every collaboration must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Members
from consilience.method import Last, Level, Method
from consilience.registry import register
from consilience.types import Request


@register
@dataclass(frozen=True)
class BestOnDev(Method):
    """Ask the member that is best on dev (ties: the cheaper, then team order); when it fails, the next best.

    Without dev scores, the first member. A control, not a collaboration.
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "control"
    cost: ClassVar = "1"
    reads: ClassVar = False

    async def run(self, request: Request, members: Members) -> Last:
        """Ask the best on dev; when it fails, the next best."""
        return Last.ranked(members.ranking, request)
