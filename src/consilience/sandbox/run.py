"""Run a Python program that nobody vouches for: shut in, limited, and gone afterwards."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal, TypeVar
from weakref import WeakKeyDictionary

from consilience.errors import SandboxError
from consilience.sandbox.engines import ENABLE, Engine, Limits, candidates, command

MIB = 2**20
OUTPUT = 64 * 1024
"""Bytes of output, and of errors, after which a program is ended."""
DISK = 16 * MIB
"""Bytes that a program may write in its own /tmp."""
LONGEST = 86400.0
"""Seconds that any program may take."""
AT_ONCE = max(1, min(8, os.cpu_count() or 1))
"""Programs that run at the same time, per event loop."""
START = 60.0
"""Seconds in which a sandbox must stand."""

Why = Literal["", "failed", "time", "memory", "output"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended.

    `output` and `error` are what it wrote. `why` is empty when it ended well, else `failed` (an error, or an exit status
    other than 0), `time`, `memory` or `output` (it wrote too much).
    """

    output: str
    error: str
    why: Why

    @property
    def ok(self) -> bool:
        """Whether the program ended well."""
        return not self.why


_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_found: list[Engine] = []


async def execute(code: str, *, seconds: float = 10.0, memory: int = 512 * MIB, output: int = OUTPUT) -> Outcome:
    """Run a Python program on the standard library alone and see how it ends.

    It has no network, no files but its own /tmp (gone afterwards), no environment, no input and no other processes. It
    may take `seconds` on the clock, `memory` bytes and write `output` bytes to either stream. Raises SandboxError where
    nothing isolates it: nothing ever runs without.
    """
    return await _execute(await available(), code, seconds, memory, output)


async def available() -> Engine:
    """What isolates programs here, tried once. Raises SandboxError that says how to enable it."""
    if not _found:
        told = []
        for engine in candidates():
            try:
                outcome = await _execute(engine, "print('here')", START, 512 * MIB, OUTPUT)
                if outcome.output == "here\n":
                    _found.append(engine)
                    break
                told.append(f"{engine}: {outcome.why} {outcome.error.strip()[-200:]}")
            except SandboxError as error:
                told.append(str(error))
    if not _found:
        raise SandboxError("programs can only run isolated, which needs Linux 5.12 or newer on x86-64 or ARM64 with bubblewrap or "
                           f"user namespaces ({'; '.join(told) or 'this is no Linux'}). What would do: {ENABLE}")
    return _found[0]


async def _execute(engine: Engine, code: str, seconds: float, memory: int, output: int) -> Outcome:
    slot = _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
    async with slot:
        seconds = min(seconds, LONGEST)
        process, ready = await _start(engine, Limits(memory, DISK, math.ceil(seconds) + 1))
        streams = [asyncio.create_task(_capped(stream, output, process)) for stream in (process.stdout, process.stderr)]
        try:
            begun = await _limited(_begun(process, ready, code.encode(errors="replace")), START)
            late = bool(begun) and await _limited(process.wait(), seconds) is None
        finally:
            _end(process)
            os.close(ready)
            (out, much), (err, more) = await asyncio.gather(*streams)
            await process.wait()
    if not begun:
        raise SandboxError(f"{engine}: {err.strip()[-300:] or 'it does not start'}")
    return Outcome(out, err, "output" if much or more else "time" if late else _why(process.returncode, err))


def _why(status: int | None, error: str) -> Why:
    """How a program ended that nobody ended."""
    if not status:
        return ""
    return "memory" if error.rstrip().rpartition("\n")[2].startswith("MemoryError") else "failed"


async def _start(engine: Engine, limits: Limits) -> tuple[Process, int]:
    """The sandbox's process, and the descriptor that tells when the program begins."""
    ready, told = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command(engine, limits, told), stdin=PIPE, stdout=PIPE, stderr=PIPE, pass_fds=(told,), env={}, cwd="/",
            start_new_session=True)
    except OSError as error:
        os.close(ready)
        raise SandboxError(f"{engine}: {error}") from error
    finally:
        os.close(told)
    return process, ready


async def _limited(work: Awaitable[T], seconds: float) -> T | None:
    """The result, or None when it takes longer."""
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError:
        return None


async def _begun(process: Process, ready: int, code: bytes) -> bool:
    """Hand the program over and wait until it begins (True) or cannot."""
    assert process.stdin is not None
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[None] = loop.create_future()
    loop.add_reader(ready, lambda: None if seen.done() else seen.set_result(None))
    try:
        process.stdin.write(code)
        process.stdin.close()
        await seen
    finally:
        loop.remove_reader(ready)
    return os.read(ready, 1) == b"1"


async def _capped(stream: asyncio.StreamReader | None, most: int, process: Process) -> tuple[str, bool]:
    """What is written, and whether it is too much: then the process is ended."""
    assert stream is not None
    text, much = b"", False
    while part := await stream.read(65536):
        text, much = (text + part)[:most], much or len(text) + len(part) > most
        if much:
            _end(process)
    return text.decode(errors="replace"), much


def _end(process: Process) -> None:
    """End the process and, as they die with it, all that it started."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
