"""Calls on their way to the host: what they need, what they hold, and how results reach the loop that asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consilience.model import Combiner, HandOver
from consilience.models.local.checkpoint import Checkpoint

if TYPE_CHECKING:
    from consilience.decode.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Work:
    """What a call needs: calls of equal work share batches. For decoding: `vocabulary` are the members' numbers of ids in
    use, `words` their tokens for policies that read text, and `mixed` says that their ids differ."""

    checkpoints: tuple[Checkpoint, ...]
    operation: str
    combiner: Combiner | HandOver | None = None
    vocabulary: tuple[int, ...] = ()
    words: tuple[Vocabulary, ...] = ()
    mixed: bool = False


class Call:
    """One waiting call: its items, and the future of the loop that asked."""

    def __init__(self, work: Work, payloads: Sequence[Any]) -> None:
        self.work = work
        self.items = [Item(self, i, payload) for i, payload in enumerate(payloads)]
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[Any]] = self.loop.create_future()
        self.results: list[Any] = [None] * len(self.items)
        self.left = len(self.items)
        self.cancelled = False
        self.since = time.monotonic()

    def wake(self, error: Exception | None) -> None:
        """Give the caller the results or the error."""
        def tell() -> None:
            """Settle the future, on its own loop; a cancelled one stays so."""
            if self.future.done():
                return
            if error is not None:
                self.future.set_exception(error)
            else:
                self.future.set_result(self.results)

        call_in(self.loop, tell)


@dataclass(slots=True, eq=False)
class Item:
    """One row or text of a call."""

    call: Call
    index: int
    payload: Any

    def deliver(self, result: Any) -> None:
        """Note the result; the call's last one, or an error, wakes the caller."""
        call = self.call
        call.results[self.index] = result
        call.left -= 1
        if isinstance(result, Exception):
            call.wake(result)
        elif call.left == 0:
            call.wake(None)


def call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Run `call` in a loop of another thread; nothing happens when that loop is closed, for nobody waits there."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        pass
