"""Run a program, with tests that somebody wrote for it, and say which of them it passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilience.sandbox.run import Outcome, execute

HARNESS = Path(__file__).with_name("harness.py")
MARK = "\x1e"
REPORT = 2000
"""Characters of a report, at most."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a program: the sources of the tests that it passed and, with what went wrong, of those that it failed.

    `fault` is what stopped the program before its tests, or its own run where there are none; empty when nothing did.
    """

    passed: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.failed and not self.fault

    def without(self, suspect: frozenset[tuple[str, str]]) -> Verdict:
        """The verdict when some failures are not held against the program."""
        return Verdict(self.passed, tuple(one for one in self.failed if one not in suspect), self.fault)

    @property
    def report(self) -> str:
        """What a programmer needs to know, cut to length."""
        if self.fault:
            return f"The program failed: {self.fault}"[:REPORT]
        lines = [f"{len(self.passed)} of {len(self.passed) + len(self.failed)} tests passed."]
        return "\n".join([*lines, *(f"FAILED {source}\n  {error}" for source, error in self.failed)])[:REPORT]


async def trial(program: str, tests: str = "", *, seconds: float = 10.0) -> Verdict:
    """Run a program, then each test by itself: top-level `assert` and calls, and functions `test_...` without arguments. Tests
    that hold none of these, or are no Python, give a verdict in which nothing passed and nothing failed.

    What stands under `if __name__ == "__main__"` is not run when there are tests. Raises SandboxError where nothing
    isolates programs.
    """
    if not tests.strip():
        outcome = await execute(program, seconds=seconds)
        return Verdict(fault="" if outcome.ok else _fault(outcome, seconds))
    setting = f"PROGRAM = {program!r}\nTESTS = {tests!r}\n"
    outcome = await execute(setting + HARNESS.read_text(encoding="utf-8"), seconds=seconds)
    told = list(_told(outcome.output))
    ended = {one[0]: one[1] for one in told if len(one) == 2}
    begun = [one[0] for one in told if len(one) == 1]
    hung = [(source, _fault(outcome, seconds)) for source in begun if source not in ended]
    failed = [(source, error) for source, error in ended.items() if error is not None]
    passed = tuple(source for source, error in ended.items() if error is None)
    fault = "" if begun or told and outcome.ok else _fault(outcome, seconds)
    return Verdict(passed, tuple(failed + hung), fault)


def _told(output: str) -> Iterator[list[Any]]:
    """What the harness told, among what the program printed; what is cut off, or the program's own, is passed over."""
    for line in output.split("\n"):
        if line.startswith(MARK):
            try:
                one = json.loads(line[1:])
            except (ValueError, RecursionError):
                continue
            match one:
                case [] | [str()] | [str(), str() | None]:
                    yield one


def _fault(outcome: Outcome, seconds: float) -> str:
    match outcome.why:
        case "time":
            return f"it took longer than {seconds:g} seconds"
        case "memory":
            return "it needed too much memory"
        case "output":
            return "it wrote too much"
        case _:
            return outcome.error.strip()[-REPORT // 2:] or "it ended early"
