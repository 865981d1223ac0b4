"""When is everybody waiting? The host swaps models only when no coroutine of the asking event loops is ready to run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable

PASSES = 2
"""Passes of a loop with nothing else ready; the second one has polled input and timers."""
BLIND_PASSES = 64
"""The same for loops that do not show their ready queue: longer than any chain of wake-ups in practice."""


class _Pulse:
    """Runs in an event loop, pass after pass, until nothing else was ready for some passes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready = getattr(loop, "_ready", None)
        self._passes = self._left = PASSES if self._ready is not None else BLIND_PASSES
        self.done = threading.Event()
        self._stopped = False

    def __call__(self) -> None:
        self._left = self._passes if self._ready else self._left - 1
        if self._left <= 0 or self._stopped:
            self.done.set()
        else:
            self._loop.call_soon(self)

    def stop(self) -> None:
        """Wait no longer: the next pass is the last."""
        self._stopped = True


def settle(loops: Iterable[asyncio.AbstractEventLoop], most: float) -> None:
    """Wait, at most `most` seconds, until none of the running `loops` has anything ready."""
    pulses, until = [], time.monotonic() + most
    for loop in loops:
        pulse = _Pulse(loop)
        try:
            loop.call_soon_threadsafe(pulse)
        except RuntimeError:        # closed
            continue
        pulses.append((loop, pulse))
    for loop, pulse in pulses:
        while not pulse.done.wait(0.05) and loop.is_running() and time.monotonic() < until:
            pass
        pulse.stop()
