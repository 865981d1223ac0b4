"""Loops and waiting: things that belong to one event loop, and calls of which each may end its own way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One `make()` for each event loop, kept as long as the loop."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def __call__(self) -> T:
        """The one of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._made:
            for ended in [one for one in self._made if one.is_closed()]:
                del self._made[ended]       # what was made may hold its loop, so it would stay for ever
            self._made[loop] = self._make()
        return self._made[loop]


async def all_of(*calls: Awaitable[T]) -> list[T]:
    """The results, in order. All are awaited to their end before the first error is raised, so none is lost midway."""
    if len(calls) == 1:
        return [await calls[0]]
    ended = await asyncio.gather(*calls, return_exceptions=True)
    results = []
    for end in ended:
        if isinstance(end, BaseException):
            raise end
        results.append(end)
    return results
