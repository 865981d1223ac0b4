"""The memory of one team: one question at a time, and what a question leaves counts only once it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from consilience.errors import TeamError
from consilience.gather import Members
from consilience.method import Last, Ordered
from consilience.types import Reply, Request


class Keeper:
    """Holds what an ordered method knows between questions. Questions, and draws of one question, take turns in the order
    in which they come, on one event loop; a question that fails or is cancelled leaves nothing."""

    def __init__(self, method: Ordered) -> None:
        self.method = method
        self._memory = self._next = method.first()
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def told(self) -> Any:
        """The memory as JSON values."""
        return self.method.told(self._memory)

    @told.setter
    def told(self, told: Any) -> None:
        """Raises ConfigError where it is none of this method's; None empties the memory."""
        self._memory = self._next = self.method.first() if told is None else self.method.recalled(told)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """This question's turn, once those that came before it are done. Raises TeamError while another event loop has the
        turn, which this one could not wait for."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop and self._loop is not None and self._loop.is_running() and self._lock.locked():
            raise TeamError(f"a team with a memory ({self.method.name}) answers a question on another event loop; ask it on one "
                            "loop, such as by team.ask(...) from any thread, or make a team for each")
        if loop is not self._loop:      # a lock belongs to the event loop on which it was first waited for
            self._lock, self._loop = asyncio.Lock(), loop
        async with self._lock:
            self._next = self._memory
            yield

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """The method's next step; its memory waits for `keep`."""
        outcome, self._next = await self.method.step(request, members, self._memory)
        return outcome

    def keep(self) -> None:
        """The question is answered: its memory counts from now on."""
        self._memory = self._next
