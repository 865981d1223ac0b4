"""Programs that try to get out: each must fail, and leave the caller well."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consilience.errors import SandboxError
from consilience.sandbox import Outcome, available, engines, execute, run
from consilience.sandbox.engines import Engine

ROOT = Path(__file__).parents[2]


def isolated() -> str:
    """Why nothing isolates programs here; empty where something does."""
    try:
        asyncio.run(available())
    except SandboxError as error:
        return str(error)
    return ""


REFUSAL = isolated()
pytestmark = pytest.mark.skipif(bool(REFUSAL), reason=REFUSAL)


@pytest.fixture(params=engines.candidates(), autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Every engine that is installed faces every attack."""
    monkeypatch.setattr(run, "_found", [request.param])
    return request.param  # type: ignore[no-any-return]


def attempt(code: str, seconds: float = 10.0, **limits: int) -> Outcome:
    return asyncio.run(execute(code, seconds=seconds, **limits))


def caught(code: str) -> str:
    """The error that a program ends with."""
    outcome = attempt(code)
    assert outcome.why == "failed", outcome
    return outcome.error.strip().rpartition("\n")[2]


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    path = tmp_path / "witness"
    path.write_text("intact")
    return path


# -- what a program can do ---------------------------------------------------------------------------------------------


def test_a_program_of_the_standard_library_runs() -> None:
    outcome = attempt("import json, math, re, sqlite3, hashlib, threading, decimal, sys\n"
                      "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
                      "open('notes.txt', 'w').write('ä'); print(open('/tmp/notes.txt').read(), sys.flags.hash_randomization)\n"
                      "import asyncio; print(asyncio.run(asyncio.sleep(0, 'loop')))")
    assert outcome == Outcome("thread\nä 0\nloop\n", "", "") and outcome.ok


def test_how_a_program_ends_is_told() -> None:
    failed = attempt("import sys; print('so far', flush=True); sys.stderr.write('why'); sys.exit(3)")
    assert failed == Outcome("so far\n", "why", "failed") and not failed.ok
    assert attempt("1/0").error.endswith("ZeroDivisionError: division by zero\n")
    assert attempt("def f(:").error.endswith("SyntaxError: invalid syntax\n")
    assert attempt("import os; os.abort()").why == "failed"
    assert attempt("print(input())").error.endswith("EOFError: EOF when reading a line\n"), "there is no input"
    assert attempt("").ok and attempt("# \ud800").ok


def test_equal_programs_print_equal_sets_and_addresses() -> None:
    code = "print({str(i) for i in range(50)}, object())"
    assert attempt(code).output == attempt(code).output


def test_no_more_than_stated_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "AT_ONCE", 1)

    async def several() -> list[Outcome]:
        return await asyncio.gather(*(execute("import time; print(time.time()); time.sleep(.2)") for _ in range(3)))
    begun = sorted(float(outcome.output) for outcome in asyncio.run(several()))
    assert all(later - earlier > .2 for earlier, later in zip(begun, begun[1:], strict=False))


# -- reading ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [Path.home() / "secret", ROOT / "pyproject.toml", Path("/etc/passwd"), Path("/etc/hostname"),
                                  Path("/proc/1/environ"), Path("/proc/self/maps"), Path("/sys/kernel"), Path("/run"),
                                  Path("/var/log"), Path(sys.prefix), Path("/usr/bin/env"), Path("/old"), Path("/dev/shm")], ids=str)
def test_nothing_outside_is_there(path: Path) -> None:
    assert "FileNotFoundError" in caught(f"import os; os.stat({str(path)!r})")
    assert "FileNotFoundError" in caught(f"import os; os.chdir('/'); os.stat('tmp/../..' + {str(path)!r})")


def test_a_file_of_the_home_folder_cannot_be_read(witness: Path) -> None:
    own = Path.home() / f".consilience-test-{os.getpid()}"
    own.write_text("violet")
    try:
        for path in (own, witness):
            assert "FileNotFoundError" in caught(f"print(open({str(path)!r}).read())")
        assert "violet" not in attempt(f"""
import os
for way in ({str(own)!r}, '/proc/self/root' + {str(own)!r}, '/proc/1/root' + {str(own)!r}, '/dev/fd/3', '/dev/stdin'):
    try:
        os.path.lexists('l') and os.unlink('l')
        os.symlink(way, 'l')
        print(open('l').read())
    except OSError as error:
        print(error)""").output
    finally:
        own.unlink()


def test_all_that_can_be_read_is_the_interpreter_and_libraries() -> None:
    seen = attempt("import os; print(*(os.path.join(d, f) for d, _, files in os.walk('/') for f in files), sep='\\n')",
                   output=2**24).output.split()
    targets = [target for _, target in engines.binds()]
    strange = [path for path in seen if path not in (*engines.DEVICES, "/tmp/program.py", "/jail.py", "/lib/jail.py")
               and not any(path == t or path.startswith(f"{t}/") for t in targets)]
    assert len(seen) > 1000 and not strange
    assert not [path for path in seen if "site-packages/" in path or "dist-packages/" in path]
    assert "ModuleNotFoundError" in caught("import numpy")


def test_no_key_of_the_environment_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "violet")
    outcome = attempt("import os, ctypes; print(dict(os.environ)); libc = ctypes.CDLL(None); libc.getenv.restype = ctypes.c_char_p\n"
                      "print(libc.getenv(b'OPENAI_API_KEY'))")
    assert outcome.ok and "violet" not in outcome.output and "None" in outcome.output


def test_no_descriptor_is_inherited(witness: Path) -> None:
    with witness.open() as file:
        os.set_inheritable(file.fileno(), True)
        seen = attempt("import os\nfor n in range(3, 64):\n    try:\n        os.fstat(n); print(n)\n    except OSError: pass")
    assert seen == Outcome("", "", "")


# -- the network --------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[tuple[int, list[object]]]:
    """A server on loopback, and who called."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def serve() -> None:
            try:
                callers.append(listening.accept()[1])
            except OSError:
                pass
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], callers
        if not callers:
            socket.create_connection(listening.getsockname()).close()
        thread.join()


def test_not_even_loopback_is_reached(server: tuple[int, list[object]]) -> None:
    port, callers = server
    assert "PermissionError" in caught(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
    assert "PermissionError" in caught("import socket; socket.socket(socket.AF_UNIX)")
    raw = attempt("""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for family in (1, 2, 10, 16, 17, 38, 40):
    assert libc.socket(family, 1, 0) == -1 and ctypes.get_errno() == 1, family""")
    assert raw.ok and not callers, raw


# -- using up -----------------------------------------------------------------------------------------------------------


def test_an_endless_loop_ends() -> None:
    begun = time.monotonic()
    assert attempt("print('begun', flush=True)\nwhile True: pass", .4) == Outcome("begun\n", "", "time")
    assert attempt("import time\ntry: time.sleep(60)\nexcept BaseException: time.sleep(60)", .4).why == "time"
    assert attempt("import signal, time\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
                   "time.sleep(60)", .4).why == "time"
    assert time.monotonic() - begun < 20


def test_endless_output_ends() -> None:
    outcome = attempt("while True: print('x' * 1000)", output=5000)
    assert outcome == Outcome(outcome.output, outcome.error, "output") and outcome.output[:100] == "x" * 100
    assert len(outcome.output) == 5000
    assert len(attempt("import os\nwhile True: os.write(2, b'e' * 4096)", output=5000).error) == 5000


@pytest.mark.parametrize("code", ["x = bytearray(2 ** 30)", "x = []\nwhile True: x.append(bytearray(2 ** 20))",
                                  "import mmap\nx = [mmap.mmap(-1, 2 ** 26) for _ in range(64)]"])
def test_a_memory_bomb_goes_off_inside(code: str) -> None:
    assert attempt(code, memory=256 * 2**20).why in ("memory", "failed")


def test_the_disk_is_small() -> None:
    assert "OSError" in caught("open('/tmp/big', 'wb').write(bytes(2 ** 26))")
    assert "OSError" in caught("for i in range(64): open(f'/tmp/{i}', 'wb').write(bytes(2 ** 20))")


def test_files_links_and_pipes_are_few(engine: Engine) -> None:
    """Empty ones fill no disk, but memory of the kernel."""
    if engine == "namespaces":      # bubblewrap has no such limit to set
        assert "OSError" in caught("import os\nfor i in range(5000): os.symlink('/tmp/x', f'/tmp/{i}')")
        assert "OSError" in caught("import os\nfor i in range(5000): os.mkdir(f'/tmp/{i}')")
    assert "OSError" in caught("import os\nwhile True: os.pipe()")


@pytest.mark.parametrize("code", ["def f(): return f()\nf()", "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)", "import ctypes; ctypes.string_at(0)",
                                  "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "import os; os.mkfifo('/tmp/f'); open('/tmp/f').read()"])
def test_a_program_that_falls_or_stands_still_has_failed(code: str) -> None:
    assert attempt(f"import sys\nsys.setrecursionlimit(10**9)\n{code}", .5).why in ("time", "memory", "failed")


@pytest.mark.parametrize("code", ["import os\nwhile True: os.fork()", "import subprocess; subprocess.run(['/bin/sh'])",
                                  "import multiprocessing as m; p = m.Process(target=print); p.start()",
                                  "import os; os.posix_spawn('/proc/self/exe', ['x'], {})"])
def test_no_program_starts_another(code: str) -> None:
    assert "PermissionError" in caught(code) or "FileNotFoundError" in caught(code)


# -- breaking out -------------------------------------------------------------------------------------------------------


def test_nothing_is_written_outside(witness: Path) -> None:
    before = sorted(os.listdir(ROOT))
    outcome = attempt(f"""
import os
for path in ({str(witness)!r}, {str(ROOT / "pwned")!r}, '/pwned', '/usr/pwned', os.__file__, '/dev/pwned', '/lib/pwned'):
    try:
        open(path, 'w').write('pwned')
        print(path)
    except OSError: pass
for path in ('/', os.path.dirname(os.__file__), '/tmp/..'):
    try:
        os.chmod(path, 0o777); os.mkdir(path + '/pwned')
        print(path)
    except OSError: pass""")
    assert outcome == Outcome("", "", "") and witness.read_text() == "intact" and sorted(os.listdir(ROOT)) == before


def test_nothing_is_left_for_the_next() -> None:
    assert attempt("open('/tmp/note', 'w').write('for the next')").ok
    assert "FileNotFoundError" in caught("open('/tmp/note')")


def test_other_processes_are_out_of_sight(engine: Engine) -> None:
    me = os.getpid()
    outcome = attempt(f"""
import os, signal
for process in ({me}, {os.getppid()}, 1, -1, 0):
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        if process > 0 or number is signal.SIGTERM and not signal.signal(number, signal.SIG_IGN):
            try: os.kill(process, number)
            except OSError: pass
print(os.getppid() < 10, os.getpid() < 10)""")
    assert outcome == Outcome("True True\n", "", ""), outcome


def test_signals_to_its_group_reach_it_alone() -> None:
    outcome = attempt("import os, signal; signal.signal(signal.SIGTERM, lambda *_: print('mine')); os.kill(0, signal.SIGTERM)")
    assert outcome == Outcome("mine\n", "", "")


def test_a_swarm_of_threads_dies_with_the_program() -> None:
    outcome = attempt("""
import threading, time
threading.stack_size(32768)
while True:
    threading.Thread(target=time.sleep, args=(60,)).start()""", 1.0)
    assert outcome.why in ("time", "failed", "memory")


def test_raw_system_calls_are_refused() -> None:
    outcome = attempt("""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def refused(*arguments):
    ctypes.set_errno(0)
    return libc.syscall(*arguments) == -1 and ctypes.get_errno() in (1, 38)
machine = os.uname().machine
calls = {'x86_64': [101, 57, 58, 272, 308, 165, 155, 161, 250, 321, 319, 425, 435, 41, 29, 434, 442, 304, 310, 103, 154, 312],
         'aarch64': [117, 97, 268, 40, 41, 51, 219, 280, 279, 425, 435, 198, 194, 434, 442, 265, 270, 116, 272]}[machine]
print([n for n in calls if not refused(n, 0, 0, 0, 0, 0, 0)])
clone = {'x86_64': 56, 'aarch64': 220}[machine]
print(refused(clone, 17, 0, 0, 0, 0), refused(clone, 0x10000000 | 17, 0, 0, 0, 0))
print(libc.prctl(38, 0, 0, 0, 0), libc.setuid(0), libc.setresuid(0, 0, 0))
libc.prctl(22, 0, 0, 0, 0)
print(refused(calls[0], 0, 0, 0, 0, 0, 0))""")
    assert outcome.output == "[]\nTrue True\n-1 -1 -1\nTrue\n", outcome


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the other call tables are of x86-64")
def test_foreign_call_tables_kill() -> None:
    x32 = attempt("import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 39); print('alive')")
    assert x32.why == "failed" and x32.output == ""


def test_what_it_would_leave_behind_dies_with_it(engine: Engine) -> None:
    mark = f"violet{os.getpid()}"
    outcome = attempt(f"""
import ctypes, os, threading, time
libc = ctypes.CDLL(None)
libc.prctl(1, 0, 0, 0, 0)
libc.prctl(15, b'{mark}'[:15], 0, 0, 0)
try: os.setsid()
except OSError: pass
threading.Thread(target=time.sleep, args=(60,)).start()
os.close(1); os.close(2)
time.sleep(60)""", .5)
    assert outcome.why == "time"
    assert gone(mark[:15])


def gone(name: str) -> bool:
    """Whether no process of this name is left, soon."""
    return within(lambda: name not in running())


def running() -> set[str]:
    """Names of all processes."""
    names = set()
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            names.add(path.read_text().strip())
        except OSError:
            pass
    return names


def within(done: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + seconds
    while not (found := done()) and time.monotonic() < until:
        time.sleep(.05)
    return found


# -- the caller ---------------------------------------------------------------------------------------------------------


def test_cancelling_ends_the_program() -> None:
    mark = f"indigo{os.getpid()}"[:15]

    async def cancel() -> None:
        work = asyncio.create_task(execute(f"import ctypes, time; ctypes.CDLL(None).prctl(15, b'{mark}', 0, 0, 0); time.sleep(60)"))
        while mark not in running():
            await asyncio.sleep(.05)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert asyncio.all_tasks() == {asyncio.current_task()}
    asyncio.run(cancel())
    assert gone(mark)


def test_the_program_dies_with_its_caller(engine: Engine) -> None:
    mark = f"scarlet{os.getpid()}"[:15]
    code = f"import ctypes, time; ctypes.CDLL(None).prctl(15, b'{mark}', 0, 0, 0); ctypes.CDLL(None).prctl(1, 0, 0, 0, 0); time.sleep(60)"
    caller = subprocess.Popen([sys.executable, "-c", "import asyncio, sys\nfrom consilience.sandbox import execute, run\n"
                               f"run._found.append({engine!r})\nasyncio.run(execute(sys.argv[1], seconds=60))", code])
    try:
        assert within(lambda: mark in running())
    finally:
        caller.send_signal(signal.SIGKILL)
        caller.wait()
    assert gone(mark)


def test_a_sandbox_that_does_not_stand_runs_nothing(monkeypatch: pytest.MonkeyPatch, witness: Path) -> None:
    real = engines.binds()
    monkeypatch.setattr(engines, "binds", lambda: (*real, ("/nowhere", "/nowhere")))
    with pytest.raises(SandboxError, match="nowhere"):
        attempt("print('ran')")


def test_where_nothing_isolates_it_says_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_found", [])
    monkeypatch.setattr(run, "candidates", lambda: [])
    with pytest.raises(SandboxError, match="install bubblewrap.*max_user_namespaces"):
        attempt("print('ran')")
