"""Ctrl-C once, twice, and in a thread."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading

import pytest

from consilience.cli.waiting import INTERRUPTED, finish

STUBBORN = """
import asyncio
from consilience.cli.waiting import finish

async def stubborn():
    while True:
        try:
            print("waiting", flush=True)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if {ends}:
                raise

try:
    finish(stubborn())
except KeyboardInterrupt:
    print("in order")
    raise SystemExit(3)
"""


def work(ends: bool) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", STUBBORN.format(ends=ends)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_once_ends_in_order() -> None:
    process = work(ends=True)
    assert process.stdout is not None and process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    said, told = process.communicate(timeout=30)
    assert (process.returncode, said, told) == (3, "in order\n", "")


def test_twice_leaves_at_once_whatever_is_under_way() -> None:
    process = work(ends=False)
    assert process.stdout is not None
    for _ in range(2):
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED and "at once" in told and "Traceback" not in told


def test_results_and_errors_pass_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert finish(asyncio.sleep(0, "done")) == "done"

    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        finish(fail())
    assert signal.getsignal(signal.SIGINT) is before
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(finish(asyncio.sleep(0, "there"))))
    thread.start()
    thread.join()
    assert found == ["there"]
