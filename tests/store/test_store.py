"""The store: what is committed stays, for one process and for several."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from consilience.errors import StoreError
from consilience.store import Store, leases
from consilience.store.leases import Owner
from consilience.types import Reply, Token
from tests.models.faults import chat, faulty

ROOT = Path(__file__).parents[2]


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_draws_come_back_as_they_were(tmp_path: Path) -> None:
    async def work() -> None:
        with Store(tmp_path / "a.db") as store:
            assert await store.claim(["a", "b"]) == ["mine", "mine"]
            await store.keep([("a", Reply("one", tokens=(Token("one", -0.5),))), ("b", Reply(None, score=0.5))])
            assert await store.claim(["a", "c"]) == ["stored", "mine"]
            assert store.draws(["a", "x"]) == {"a": Reply("one", tokens=(Token("one", -0.5),))}
        with Store(tmp_path / "a.db") as again:
            assert again.draws(["b"]) == {"b": Reply(None, score=0.5)} and again.count() == 2
    run(work())


def test_the_first_reply_stands_and_takes_up_log_probabilities(tmp_path: Path) -> None:
    async def work() -> None:
        with Store(tmp_path / "a.db") as store:
            await store.keep([("a", Reply("one", cost=1.0))])
            assert await store.keep([("a", Reply("two"))]) == [Reply("one", cost=1.0)]
            tokens = (Token("one", -1.0),)
            assert await store.keep([("a", Reply("two", tokens=tokens))]) == [Reply("one", cost=1.0)]
            [upgraded] = await store.keep([("a", Reply("one", cost=9.0, tokens=tokens))])
            assert upgraded == Reply("one", cost=1.0, tokens=tokens) == store.draws(["a"])["a"]
    run(work())


def test_records(tmp_path: Path) -> None:
    async def work() -> None:
        with Store(tmp_path / "a.db") as store:
            for key, value in (("q2", {"score": 1}), ("q1", [1, None]), ("q2", {"score": 2})):
                await store.put("run", key, value)
            assert list(store.items("run")) == [("q1", [1, None]), ("q2", {"score": 2})]
            assert store.keys("run") == {"q1", "q2"} and store.keys("other") == set()
            assert store.get("run", "q1") == [1, None] and store.get("run", "q9") is None
            await store.remove("run", ["q1", "q9"])
            assert store.keys("run") == {"q2"}
            with pytest.raises(StoreError, match="not JSON"):
                await store.put("run", "q", object())
    run(work())


def test_long_books_are_read_in_pages(tmp_path: Path) -> None:
    async def work() -> None:
        with Store(tmp_path / "a.db") as store:
            await asyncio.gather(*(store.put("run", f"{i:05}", i) for i in range(1234)), store.put("s", "x", 1))
            assert [value for _, value in store.items("run")] == list(range(1234)) and list(store.items("none")) == []
    run(work())


def test_many_open_a_new_store_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        stores = list(threads.map(lambda _: Store(tmp_path / "a.db"), range(8)))
    for store in stores:
        assert store.count() == 0
        store.close()


def test_a_bad_write_does_not_take_others_with_it(tmp_path: Path) -> None:
    async def work() -> None:
        with Store(tmp_path / "a.db") as store:
            good = [store.put("run", f"q{i}", i) for i in range(20)]
            bad = store.put("run", "\ud800", 1)        # a key that SQLite cannot take
            results = await asyncio.gather(*good[:10], bad, *good[10:], return_exceptions=True)
            assert len(store.keys("run")) == 20 and [r for r in results if r is not None] == [results[10]]
            assert isinstance(results[10], Exception)
    run(work())


def test_claims_between_stores(tmp_path: Path) -> None:
    async def work() -> None:
        first, second = Store(tmp_path / "a.db"), Store(tmp_path / "a.db")
        assert await first.claim(["a", "b"]) == ["mine", "mine"]
        assert await second.claim(["a", "c"]) == ["busy", "mine"]
        first.release(["a"])
        await first.put("x", "x", 1)        # the release is written before it
        assert await second.claim(["a"]) == ["mine"]
        first.close()                       # gives back what it still held
        assert await second.claim(["b"]) == ["mine"]
        second.close()
        with pytest.raises(StoreError, match="closed"):
            await second.claim(["z"])
    run(work())


def _foreign_lease(path: Path, **owner: Any) -> None:
    """A lease of another process on the draw `a`."""
    me = Owner()
    values = {"host": me.host, "pid": me.pid, "born": "", "beat": time.time(), **owner}
    with sqlite3.connect(path) as other:
        other.execute("INSERT INTO owners VALUES ('other', :host, :pid, :born, :beat)", values)
        other.execute("INSERT INTO leases VALUES ('a', 'other')")
    other.close()


def _dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(("owner", "state"), [
    ({}, "busy"),
    ({"pid": _dead_pid()}, "mine"),
    ({"born": "12345"}, "mine"),                              # the number was given to another process since
    ({"beat": time.time() - 3600}, "busy"),                   # silent for an hour, or the clock was set: that is watched
    ({"host": "elsewhere", "pid": _dead_pid()}, "busy"),      # another machine's numbers say nothing
    ({"beat": time.time() - 3600, "pid": _dead_pid()}, "mine"),
])
def test_leases_of_the_dead_are_taken_over(tmp_path: Path, owner: dict[str, Any], state: str) -> None:
    with Store(tmp_path / "a.db") as store:
        _foreign_lease(tmp_path / "a.db", **owner)
        assert run(store.claim(["a"])) == [state]


@pytest.mark.parametrize(("host", "written", "silent", "watch"), [
    ("here", -3600.0, 60.0, 0.6), ("elsewhere", -3600.0, 60.0, 0.6), ("elsewhere", 3600.0, 0.6, 60.0)])
def test_the_silent_are_watched_whatever_the_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, written: float,
                                                        silent: float, watch: float) -> None:
    """Written an hour ago, or in an hour: nobody is robbed who goes on saying that he lives; who says nothing is."""
    monkeypatch.setattr(leases, "SILENT_SECONDS", silent)
    monkeypatch.setattr(leases, "WATCH_SECONDS", watch)
    with Store(tmp_path / "a.db") as store:
        where = {"host": host} if host != "here" else {}
        _foreign_lease(tmp_path / "a.db", beat=time.time() + written, **where)
        for _ in range(4):
            assert run(store.claim(["a"])) == ["busy"]
            time.sleep(0.25)
            with sqlite3.connect(tmp_path / "a.db") as other:
                other.execute("UPDATE owners SET beat = beat + 0.1 WHERE owner = 'other'")
            other.close()
        assert run(store.claim(["a"])) == ["busy"]
        time.sleep(0.7)
        assert run(store.claim(["a"])) == ["mine"]


def test_a_full_disk_is_an_error_and_loses_nothing(tmp_path: Path) -> None:
    """A file system of 1 MB in all but name: the process may write no file beyond that size."""
    script = """
import asyncio, resource, signal, sys
from consilience.errors import StoreError
from consilience.store import Store
from consilience.types import Reply
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
async def main():
    kept = 0
    with Store(sys.argv[1]) as store:
        try:
            for i in range(1000):
                await store.keep([(f"k{i}", Reply("x" * 5000))])
                kept += 1
        except StoreError as error:
            print(kept, store.draws(["k0"])["k0"].text[:3], error)
asyncio.run(main())
"""
    path = tmp_path / "a.db"
    out = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    kept, first, message = out.stdout.split(maxsplit=2)
    assert int(kept) > 20 and first == "xxx" and "make room" in message and str(path) in message
    with Store(path) as store:
        assert store.count() == int(kept)
        store.check()
        assert run(store.keep([("more", Reply("y"))])) == [Reply("y")]


CHILD = """
import asyncio, os, sys
from consilience.model import Card
from consilience.models.wrappers import Stored
from consilience.store import Store
from consilience.types import Draws, Reply, Request, Scope

class Writer:
    '''Answers at once and writes down every call before it does.'''
    card = Card("writer", "writer", settings=frozenset({"n"}))
    def __init__(self, calls): self.calls = calls
    def power(self, kind): return None
    async def generate(self, request, draws=Draws(), scope=Scope()):
        os.write(self.calls, (request.question + "\\n").encode())
        await asyncio.sleep(0.001)
        return [Reply("answer to " + request.question, draw=d) for d in range(draws.first, draws.first + draws.n)]

async def main(path, calls, handed, n, window):
    calls, handed = (os.open(f, os.O_APPEND | os.O_CREAT | os.O_WRONLY) for f in (calls, handed))
    model, todo = Stored(Writer(calls), Store(path)), iter(range(n))
    async def work():
        for i in todo:
            [reply] = await model.generate(Request.of(f"question {i}"))
            os.write(handed, (reply.text + "\\n").encode())
    await asyncio.gather(*(work() for _ in range(window)))

asyncio.run(main(*sys.argv[1:4], *map(int, sys.argv[4:])))
"""


def _child(folder: Path, handed: str, n: int, window: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder / "a.db"), str(folder / "calls"),
                             str(folder / handed), str(n), str(window)])


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_kill_nine_loses_nothing_that_was_handed_on(tmp_path: Path) -> None:
    n, window, kills = 4000, 50, 3
    for kill in range(kills):
        child = _child(tmp_path, f"handed{kill}", n, window)
        target = (kill + 1) * n // (kills + 1)
        while len(_lines(tmp_path / "calls")) < target and child.poll() is None:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        handed, kept = set(_lines(tmp_path / f"handed{kill}")), set()
        with sqlite3.connect(tmp_path / "a.db") as look:
            kept = {__import__("json").loads(r)["text"] for (r,) in look.execute("SELECT reply FROM draws")}
        look.close()
        assert handed <= kept
    assert _child(tmp_path, "handed", n, window).wait(60) == 0
    assert len(_lines(tmp_path / "handed")) == len(set(_lines(tmp_path / "handed"))) == n
    calls = _lines(tmp_path / "calls")
    assert len(set(calls)) == n and len(calls) <= n + kills * window
    with Store(tmp_path / "a.db") as store:
        assert store.count() == n
        store.check()


CREATOR = """
import sys, time
from pathlib import Path
from consilience.store.database import prepare

folder, start = Path(sys.argv[1]), float(sys.argv[2])
for i in range(100):
    while time.time() < start + i * 0.01:
        pass
    prepare(folder / f"{i}.db")
"""


def test_processes_may_create_one_store_at_the_same_moment(tmp_path: Path) -> None:
    start = str(time.time() + 2)
    children = [subprocess.Popen([sys.executable, "-c", CREATOR, str(tmp_path), start]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    for i in range(100):
        with Store(tmp_path / f"{i}.db") as store:
            store.check()


def test_two_processes_do_not_both_pay(tmp_path: Path) -> None:
    n = 1500
    children = [_child(tmp_path, f"handed{i}", n, 40) for i in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    calls = _lines(tmp_path / "calls")
    assert len(calls) == len(set(calls)) == n
    assert all(len(_lines(tmp_path / f"handed{i}")) == n for i in range(2))


ENDPOINT_CHILD = """
import asyncio, sys
from consilience.models.resolve import model
from consilience.store import Store
from consilience.types import Draws, Request

async def main(path, url, n):
    member = model({"model": "openai:m@" + url, "max_concurrency": 20}, store=Store(path))
    asks = (member.generate(Request.of(f"question {i}"), Draws(2)) for i in range(n))
    await asyncio.gather(*asks)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def test_what_a_server_is_asked_by_two_processes_of_which_one_is_killed(tmp_path: Path) -> None:
    n, window = 80, 20
    with faulty(chat("fine", wait=0.02)) as server:
        def child() -> subprocess.Popen[bytes]:
            return subprocess.Popen([sys.executable, "-c", ENDPOINT_CHILD, str(tmp_path / "a.db"), server.url, str(n)])

        first, second = child(), child()
        while len(server.bodies) < n // 2 and first.poll() is None:
            time.sleep(0.01)
        second.send_signal(signal.SIGSTOP)
        first.kill()
        first.wait()
        time.sleep(0.3)                     # what was on its way has come to the server by then
        with sqlite3.connect(tmp_path / "a.db") as look:
            [(kept,)] = look.execute("SELECT count(*) FROM draws")
        look.close()
        flying = len(server.bodies) - kept  # on the way, at the server, or answered and not yet written
        second.send_signal(signal.SIGCONT)
        assert second.wait(60) == 0
        assert child().wait(60) == 0        # nothing is left to ask
        asked = [(body["messages"][0]["content"], body["seed"]) for body in server.bodies]
    assert len(set(asked)) == 2 * n and len(asked) <= 2 * n + max(window, flying) and flying <= 3 * window
    with Store(tmp_path / "a.db") as store:
        assert store.count() == 2 * n
