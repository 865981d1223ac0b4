"""Run a program, with tests that somebody wrote for it, and say which of them it passes."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from consilience.sandbox.run import Outcome, execute

HARNESS = Path(__file__).with_name("harness.py")
REPORT = 2000
"""Characters of a report, at most."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a program: the sources of the tests that it passed and, with what went wrong, of those that it failed.

    `fault` is what stopped the program before all of its tests were begun, or its own run where there are none; empty when
    nothing did.
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
        stopped = [f"The program failed: {self.fault}"] if self.fault else []
        if stopped and not self.passed and not self.failed:
            return stopped[0][:REPORT]
        lines = [f"{len(self.passed)} of {len(self.passed) + len(self.failed)} tests passed."]
        return "\n".join([*stopped, *lines, *(f"FAILED {source}\n  {error}" for source, error in self.failed)])[:REPORT]


async def trial(program: str, tests: str = "", *, seconds: float = 10.0) -> Verdict:
    """Run a program, then each test by itself: top-level `assert` and calls, and functions `test_...` without arguments. Tests
    that hold none of these, or are no Python, give a verdict in which nothing passed and nothing failed.

    What stands under `if __name__ == "__main__"` is not run when there are tests. Raises SandboxError where nothing
    isolates programs.
    """
    if not tests.strip():
        outcome = await execute(program, seconds=seconds)
        return Verdict(fault="" if outcome.ok else _fault(outcome, seconds))
    mark = f"\x1e{secrets.token_hex(16)} "
    setting = f"SETTING = {(mark, program, tests)!r}\n"
    outcome = await execute(setting + HARNESS.read_text(encoding="utf-8"), seconds=seconds)
    return _judged([line[len(mark):] for line in outcome.output.split("\n")[:-1] if line.startswith(mark)], _fault(outcome, seconds))


def _judged(told: list[str], fault: str) -> Verdict:
    """The verdict in what the harness told, in order; `fault` is what ended it where something did. What was never begun has
    not passed."""
    sources: list[str] = json.loads(told[0]) if told else []
    begun, ended = 0, dict[int, str | None]()
    for line in told[1:]:
        what, number, error = (*line.split(" "), "", "")[:3]
        begun += what == "begun"
        if what in ("passed", "failed"):
            ended[int(number)] = bytes.fromhex(error).decode() if what == "failed" else None
    passed = tuple(sources[n] for n, wrong in ended.items() if wrong is None)
    failed = [(sources[n], wrong) for n, wrong in ended.items() if wrong is not None]
    hung = [(sources[n], fault) for n in range(begun) if n not in ended]
    whole = "end" in told or 0 < len(sources) == begun
    return Verdict(passed, tuple(failed + hung), "" if whole else fault)


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
