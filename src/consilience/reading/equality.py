"""Equality of expressions, asked of worker processes that can be killed.

math-verify guards itself with an alarm signal, which works in a main thread only and not against every input. Here each
worker is a process of its own (started on first use, one line of JSON in, one out): one that does not answer in time is
killed and replaced, and its pair counts as unequal. It works from threads, event loops and under any start method.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import queue
import select
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from consilience.errors import ConfigError

SECONDS = 6.0
"""Longest wait for one pair, after a worker has started."""
START_SECONDS = 60.0
"""Longest wait for a worker to start."""
WORKERS = max(1, min(4, os.cpu_count() or 1))


class _Worker:
    """One process. Not shared between threads at a time."""

    def __init__(self) -> None:
        # -I keeps this folder, with its own math.py, off the worker's path
        script = Path(__file__).with_name("equality_worker.py")
        self._process = subprocess.Popen([sys.executable, "-I", str(script)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if self._line(START_SECONDS) is None:
            self.kill()
            raise ConfigError(f"the math-verify worker did not start: {sys.executable} -I {script}; is math-verify there?")

    def ask(self, gold: str, answer: str, seconds: float) -> bool | None:
        """The verdict, or None when the worker hung or died (it is dead then)."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([gold, answer]).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            line = None
        else:
            line = self._line(seconds)
        if line is None:
            self.kill()
            return None
        return line == b"1"

    def _line(self, seconds: float) -> bytes | None:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else b""
        return line.strip() if line.endswith(b"\n") else None

    def kill(self) -> None:
        """End the process and collect it."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass
        self._process.wait()


class _Pool:
    """Idle workers and the threads that wait for them; nothing starts before the first question."""

    def __init__(self, size: int) -> None:
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._threads = ThreadPoolExecutor(size, "consilience-math")
        self._known: dict[tuple[str, str], bool] = {}

    async def equal(self, gold: str, answer: str) -> bool:
        """The verdict for one pair, remembered."""
        pair = (gold, answer)
        if pair not in self._known:
            verdict = await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, *pair)
            if len(self._known) >= 65536:
                self._known.clear()
            self._known[pair] = verdict
        return self._known[pair]

    def _ask(self, gold: str, answer: str) -> bool:
        try:
            worker = self._idle.get_nowait()
        except queue.Empty:
            worker = _Worker()
        verdict = worker.ask(gold, answer, SECONDS)
        if verdict is None:
            return False
        self._idle.put(worker)
        return verdict

    def close(self) -> None:
        """Kill idle workers; busy ones end with their pipes."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get_nowait().kill()


_lock = threading.Lock()
_pool: _Pool | None = None


async def equal(gold: str, answer: str) -> bool:
    """True when math-verify finds `answer` equal to `gold` (the order matters to it). Never raises, never hangs."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = _Pool(WORKERS)
            atexit.register(close)
    return await _pool.equal(gold, answer)


def close() -> None:
    """End all workers. A later comparison starts new ones."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.close()


def _forget() -> None:
    """In a forked child: the parent's workers are not ours."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
