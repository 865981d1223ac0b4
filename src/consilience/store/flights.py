"""Draws that are being generated now, in this process: asked for twice, generated once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from consilience.types import Reply

Launch = Callable[[Sequence[str]], Awaitable[list[Reply]]]
"""Obtains draws that nobody is obtaining yet: one reply per id."""


@dataclass(slots=True, eq=False)
class _Crew:
    """One task that obtains several draws together; it is cancelled when nobody waits for any of them."""

    air: dict[str, _Flight]
    ids: Sequence[str]
    task: asyncio.Task[None] | None = None
    waiters: int = 0

    def leave(self) -> None:
        """One waiter less. An abandoned crew is out of the air at once, so that nobody boards it any more."""
        self.waiters -= 1
        if self.waiters == 0 and self.task is not None and not self.task.done():
            self.clear()
            self.task.cancel()

    def clear(self) -> None:
        """Take its flights out of the air."""
        for one in self.ids:
            if one in self.air and self.air[one].crew is self:
                del self.air[one]


@dataclass(slots=True, eq=False)
class _Flight:
    landed: asyncio.Future[Reply]
    crew: _Crew


class Flights:
    """The draws in the air, by loop."""

    def __init__(self) -> None:
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Flight]] = WeakKeyDictionary()

    async def join(self, ids: Sequence[str], launch: Launch) -> list[Reply]:
        """The draws `ids`: those in the air are awaited, the others launched together."""
        loop = asyncio.get_running_loop()
        air = self._loops.setdefault(loop, {})
        new = [one for one in dict.fromkeys(ids) if one not in air]
        if new:
            crew = _Crew(air, new)
            for one in new:
                air[one] = _Flight(loop.create_future(), crew)
            crew.task = loop.create_task(_fly(crew, launch))
        flights = [air[one] for one in ids]
        for flight in flights:
            flight.crew.waiters += 1
        try:
            return [await asyncio.shield(flight.landed) for flight in flights]
        finally:
            for flight in flights:
                flight.crew.leave()


async def _fly(crew: _Crew, launch: Launch) -> None:
    flights = [crew.air[one] for one in crew.ids]
    try:
        replies = await launch(crew.ids)
    except asyncio.CancelledError:
        for flight in flights:
            flight.landed.cancel()
        raise
    except Exception as error:  # noqa: BLE001 - carried to every waiter
        for flight in flights:
            if not flight.landed.done():
                flight.landed.set_exception(error)
                flight.landed.exception()  # marks it as seen: a waiter may have left
    else:
        for flight, reply in zip(flights, replies, strict=True):
            if not flight.landed.done():
                flight.landed.set_result(reply)
    finally:
        crew.clear()
