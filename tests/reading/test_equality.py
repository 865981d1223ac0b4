"""The workers: hanging pairs, threads, loops, death and a clean end."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from consilience.reading import equality

HANGS = ("9^{9^{9^9}}", "3")


@pytest.fixture(autouse=True, scope="module")
def _ended() -> Iterator[None]:
    yield
    equality.close()


def test_a_hanging_pair_is_unequal_and_the_next_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equality, "SECONDS", 1.0)
    start = time.monotonic()
    assert asyncio.run(equality.equal(*HANGS)) is False
    assert time.monotonic() - start < 20
    assert asyncio.run(equality.equal("x+x", "2x")) is True


def test_from_threads_and_many_loops() -> None:
    def ask(n: int) -> bool:
        return asyncio.run(equality.equal(f"{n}x + x", f"{n + 1}x"))

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(ask, range(2, 14)))


def test_many_at_once_in_one_loop() -> None:
    async def all_pairs() -> list[bool]:
        return await asyncio.gather(*(equality.equal("x^2-1", f"(x-1)(x+{n})") for n in range(8)))

    assert asyncio.run(all_pairs()) == [n == 1 for n in range(8)]


def test_a_worker_that_died_is_replaced() -> None:
    assert asyncio.run(equality.equal("x+x+x", "3x"))
    assert equality._pool is not None
    worker = equality._pool._idle.get_nowait()
    worker._process.kill()
    worker._process.wait()
    equality._pool._idle.put(worker)
    asyncio.run(equality.equal("y+y", "2y"))  # the dead worker's pair may be lost
    assert asyncio.run(equality.equal("y+y+y", "3y"))


def test_odd_input_is_unequal() -> None:
    for text in ("", "$", "\\frac{", "\x00", "{" * 500, "é" * 50, "a\nb"):
        assert asyncio.run(equality.equal("x", text)) is False


def test_the_order_matters_to_it_and_no_zombie_stays() -> None:
    equality.close()
    assert equality._pool is None
    assert asyncio.run(equality.equal("a+b", "b+a"))


def test_a_process_that_used_it_ends_by_itself() -> None:
    code = ("import asyncio\nfrom consilience.reading import equality\n"
            "print(asyncio.run(equality.equal('x+x', '2x')))\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode, done.stderr) == ("True", 0, "")
