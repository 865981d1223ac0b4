"""A program and its tests: which pass, which fail and how, and what stops either."""

from __future__ import annotations

import asyncio
import time

import pytest

from consilience.sandbox import Verdict, trial
from tests.sandbox.test_run import REFUSAL

pytestmark = pytest.mark.skipif(bool(REFUSAL), reason=REFUSAL)
ADD = "def add(a, b):\n    return a + b\n"


def verdict(program: str, tests: str = "", seconds: float = 10.0) -> Verdict:
    return asyncio.run(trial(program, tests, seconds=seconds))


def test_each_test_is_run_by_itself() -> None:
    found = verdict(ADD, "from solution import add\nassert add(1, 2) == 3\nassert add(1, 1) == 3\nassert add(1)\n"
                         "def test_zero():\n    assert add(0, 0) == 0\nassert add('a', 'b') == 'ab'")
    assert found.passed == ("assert add(1, 2) == 3", "assert add('a', 'b') == 'ab'", "test_zero()") and not found.ok
    assert found.failed[0] == ("assert add(1, 1) == 3", "AssertionError (add(1, 1) is 2)")
    assert found.failed[1][1].startswith("TypeError: add() missing 1")
    assert found.report.startswith("3 of 5 tests passed.\nFAILED assert add(1, 1) == 3\n  AssertionError (add(1, 1) is 2)")


def test_all_pass() -> None:
    found = verdict("print('\\x1e noise')\n" + ADD + "if __name__ == '__main__':\n    add()", "assert add(1, 2) == 3")
    assert found == Verdict(("assert add(1, 2) == 3",)) and found.ok


@pytest.mark.parametrize(("program", "fault"), [("1/0", "ZeroDivisionError"), ("def f(:", "SyntaxError"),
                                                ("while True: pass", "longer than 0.5 seconds"), ("import sys; sys.exit(2)", "ended early")])
def test_a_program_that_stops_before_its_tests(program: str, fault: str) -> None:
    found = verdict(program, "assert True", .5)
    assert fault in found.fault and not found.ok and not found.passed and found.report.startswith("The program failed: ")


def test_a_test_that_hangs_has_failed() -> None:
    found = verdict(ADD, "assert add(1, 1) == 2\nwhile True: pass", .5)
    assert found.passed == ("assert add(1, 1) == 2",)
    found = verdict(ADD + "def loop():\n    while True: pass", "assert add(1, 1) == 2\nassert loop()\nassert add(1, 1) == 2", .5)
    assert found.passed and found.failed == (("assert loop()", "it took longer than 0.5 seconds"),)


def test_a_program_cannot_pass_by_ending() -> None:
    found = verdict("import os\ndef add(a, b): os._exit(0)", "assert add(1, 1) == 3")
    assert found.failed == (("assert add(1, 1) == 3", "it ended early"),)
    assert verdict("import os; os._exit(0)", "assert False") == Verdict(fault="it ended early")
    assert verdict("import sys; sys.exit()", "assert False") == Verdict(fault="it ended early")


@pytest.mark.parametrize("tests", ["x = 1", "def f(:", "class T: pass"])
def test_tests_that_test_nothing(tests: str) -> None:
    assert verdict(ADD, tests) == Verdict()


def test_a_test_that_cannot_be_compiled_fails_alone() -> None:
    found = verdict(ADD, "assert add(1, 1) == 2\nassert (await add(1, 1)) == 2\nassert (yield) == 2\nreturn 5\nassert add(2, 2) == 4")
    assert found.passed == ("assert add(1, 1) == 2", "assert add(2, 2) == 4")
    assert [error.split(":")[0] for _, error in found.failed] == ["SyntaxError"] * 2


def test_reports_are_cut() -> None:
    found = verdict(ADD, "\n".join(f"assert add({i}, 1) == 0, 'x' * 500" for i in range(40)))
    assert len(found.failed) == 40 and len(found.report) == 2000


def test_suspects_are_not_held_against_it() -> None:
    found = Verdict(("assert a",), (("assert b", "AssertionError"),))
    assert found.without(frozenset({("assert b", "AssertionError")})).ok
    assert not found.without(frozenset({("assert b", "TypeError")})).ok


def test_without_tests_the_program_itself_is_run() -> None:
    assert verdict("print('fine')").ok
    assert "ZeroDivisionError" in verdict("1/0").fault


FORGED = """
import ast, atexit, builtins, json, os, sys, __main__
def tell(*_):
    for mark in ("\\x1e", getattr(__main__, "MARK", "")):
        for said in ('["assert add(1, 1) == 3", null]', "passed 0", "end"):
            os.write(1, f"\\n{mark}{said}\\n".encode())
tell()
def add(a, b):
    return 0
"""
FORGERIES = {
    "records": "def add(a, b):\n    tell()\n    os._exit(0)",
    "records at the exit": "atexit.register(tell)",
    "the program's file": "add = lambda a, b: [os.write(1, line.encode()) for line in open(__main__.__file__)] and os._exit(0)",
    "what holds the tests": "def add(a, b):\n    __main__.tell(__main__.TESTS, None)\n    os._exit(0)",
    "how it is told": "__main__.tell = json.dumps = lambda *_: '[\"assert add(1, 1) == 3\", null]'",
    "how tests are read": "ast.parse = lambda *_, **__: compile('assert 1', 't', 'exec', 1024)",
    "how tests are taken apart": "ast.Assert = ast.Compare = int",
    "how tests are compiled": "own = compile\nbuiltins.compile = lambda *_: own('pass', 't', 'exec')",
    "how tests are run": "builtins.exec = builtins.eval = lambda *_: None",
    "builtins": "__builtins__ = {'AssertionError': SystemExit, 'add': print}\nbuiltins.AssertionError = SystemExit",
    "the errors": "sys.excepthook = lambda *_: None\ndef add(a, b): raise KeyboardInterrupt",
    "an error without a text": "class E(BaseException):\n    __str__ = __repr__ = lambda self: sys.exit(0)\ndef add(a, b): raise E",
    "an error without a name": "def add(a, b): raise type('', (Exception,), {})()",
    "an error whose name is none": "class M(type):\n    __name__ = property(lambda self: 1 / 0)\n"
                                   "class E(Exception, metaclass=M): pass\ndef add(a, b): raise E",
    "the end": "def add(a, b): sys.exit(0)",
    "equality": "class T:\n    __eq__ = lambda self, other: True\nadd = lambda a, b: T()",
    "the equality of a number": "class T(int):\n    __eq__ = lambda self, other: True\nadd = lambda a, b: T()",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_pass_is_not_forged(forgery: str) -> None:
    for tests in ("assert add(1, 1) == 3", "def test_add():\n    assert add(1, 1) == 3"):
        found = verdict(FORGED + FORGERIES[forgery], tests)
        assert not found.ok and not found.passed, found


def test_what_a_program_does_to_itself_is_its_own_affair() -> None:
    kept = "import builtins\nbuiltins.len = lambda x: 7\nclass V:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x\n"
    assert verdict(kept, "assert len([1]) == 1\nassert V(1) == V(1)\nassert (V(1) == V(2)) is False\nassert 1 == 1.0 == V(1).x").ok


def test_tests_that_were_never_begun_have_not_passed() -> None:
    """A program that ends while a test's material is made leaves the tests after it undone."""
    tests = "assert add(0, 0) == 0\nfound = add(1, 1)\nassert found == 3"
    for end in ("os._exit(0)", "os.kill(os.getpid(), 9)"):
        found = verdict(f"import os\ndef add(a, b): return 0 if not a else {end}", tests)
        assert found.passed == ("assert add(0, 0) == 0",) and found.fault == "it ended early" and not found.ok
        assert found.report == "The program failed: it ended early\n1 of 1 tests passed."
    assert not verdict("def add(a, b):\n    while a: pass\n    return 0", tests, .5).ok


def test_threads_are_not_waited_for() -> None:
    begun = time.monotonic()
    assert verdict("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n" + ADD, "assert add(1, 1) == 2", 30).ok
    assert time.monotonic() - begun < 15


def test_a_record_that_is_cut_off_is_none() -> None:
    """Wherever the output ends, no test passes that has not."""
    for much in (65500, 65536 - 40, 65536 - 64, 65535):
        noisy = f"import os\nos.write(1, b'.' * {much})\ndef add(a, b): return a + b"
        tests = "\n".join(f"assert add({i}, 1) == {i + 1 if i < 12 else 0}" for i in range(14))
        assert not verdict(noisy, tests).ok


def test_a_fault_is_told_with_the_programs_own_line() -> None:
    assert "    return 1 / 0\n" in verdict("def add(a, b):\n    return 1 / 0\nadd(1, 1)", "assert True").fault


def test_no_time_is_too_long() -> None:
    assert verdict("x = 1", "assert x", seconds=float("inf")).ok
