"""Where commands wait for models: Ctrl-C ends the work in order, and once more leaves at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def finish(work: Coroutine[Any, Any, T]) -> T:
    """The result of the work. After Ctrl-C it is cancelled, and KeyboardInterrupt is raised when it has ended; a second
    Ctrl-C ends the process there and then, which loses nothing that is in the store.

    asyncio's own second Ctrl-C is an exception wherever the loop happens to be, and may leave it waiting for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(work)
    running: list[asyncio.Task[Any]] = []
    pressed = False

    async def watched() -> T:
        """The work, with its task where the signal finds it."""
        running.extend(task for task in [asyncio.current_task()] if task is not None)
        return await work

    def interrupt(number: int, frame: FrameType | None) -> None:
        """Cancel the work; leave at once when that was asked for already, or nothing runs yet."""
        nonlocal pressed
        if pressed or not running:
            _leave()
        pressed = True
        running[0].get_loop().call_soon_threadsafe(running[0].cancel)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        if pressed:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _leave() -> None:
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    os.write(2, f"{show_cursor}\ninterrupted at once; what the store holds is kept.\n".encode())
    os._exit(INTERRUPTED)
