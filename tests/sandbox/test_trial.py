"""A program and its tests: which pass, which fail and how, and what stops either."""

from __future__ import annotations

import asyncio

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


@pytest.mark.parametrize("said", ["5", "null", "NaN", '{"a": 1}', '[["a"]]', '[["a"], null]', "[1, 2]", '["x", 5]', "[" * 30000])
def test_what_a_program_writes_in_the_name_of_the_harness_is_passed_over(said: str) -> None:
    program = f"import os\nos.write(1, b'\\n\\x1e' + {said!r}.encode() + b'\\n')\n"
    assert verdict(program, "assert 1 == 1") == Verdict(("assert 1 == 1",))


def test_no_time_is_too_long() -> None:
    assert verdict("x = 1", "assert x", seconds=float("inf")).ok
