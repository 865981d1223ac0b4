"""One run of a method: what it has asked, heard and missed, and the recorded clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from consilience.types import Absent, Reply, Scope

T = TypeVar("T")

clock: ContextVar[float] = ContextVar("clock", default=0.0)
"""Recorded seconds since the outermost question began, along the causal path of this task."""


@dataclass(slots=True)
class Run:
    """What one run of a method accumulates: the draws taken, the replies obtained, and who was absent.

    `watch` is told of every ask as it begins; `quorum` and `timeout` (seconds) are the method's.
    """

    scope: Scope = Scope()
    stream: str = ""
    taken: dict[tuple[Any, ...], int] = field(default_factory=dict)
    parts: list[tuple[tuple[float, int, int], Reply]] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)
    begun: int = 0
    watch: Callable[[str], None] | None = None
    quorum: int = 1
    timeout: float | None = None

    def begin(self, member: str, stage: str, n: int = 1) -> int:
        """Number of the ask that begins now; whoever watches is told who is asked, at what stage, and for how many draws."""
        self.begun += 1
        if self.watch is not None:
            self.watch(f"{member}: {stage}" + (f" x {n}" if n > 1 else ""))
        return self.begun

    def note(self, member: int, order: int, reply: Reply) -> None:
        """Book one reply as a part; parts are ordered by recorded start, then team order, then order of asking."""
        self.parts.append(((reply.started, member, order), reply))

    def tree(self) -> tuple[Reply, ...]:
        """All parts in order."""
        return tuple(reply for _, reply in sorted(self.parts, key=lambda part: part[0]))


async def timed(work: Awaitable[T]) -> tuple[T, float]:
    """The result, and where the recorded clock of this task stands after it."""
    return await work, clock.get()


async def at_once(work: Sequence[Awaitable[T]]) -> list[T]:
    """All results, in order. The first error ends all and is raised as it is, not in a group of errors."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(timed(one)) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    clock.set(max((task.result()[1] for task in tasks), default=clock.get()))
    return [task.result()[0] for task in tasks]
