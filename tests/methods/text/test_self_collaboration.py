"""Self-collaboration: rounds, what the tester sees, and the accounts of the paper."""

from __future__ import annotations

import ast
import asyncio

import pytest

from consilience.errors import ConfigError
from consilience.formula import most_calls
from consilience.learn.procedure import code, procedure
from consilience.methods.text.self_collaboration import SelfCollaboration
from consilience.registry import method
from consilience.team import Team
from consilience.types import Reply
from tests.members import Scripted
from tests.methods.text.test_standard_procedure import QUESTION, RIGHT, TESTS, WRONG, asked, by_role, needs_sandbox


def ask(repairs: int, member: Scripted) -> Reply:
    [reply] = asyncio.run(Team(SelfCollaboration(repairs=repairs), [member]).generate(QUESTION))
    return reply


@needs_sandbox
def test_what_passes_at_once_takes_three_calls() -> None:
    member = by_role(analyst=["First add."], coder=[RIGHT], tester=[TESTS])
    reply = ask(3, member)
    assert reply.usage.calls == 3 and reply.note["tests"] == {"program": "passed"}
    ast.parse(code(reply.text or "") or "not parsed:")
    assert "First add." in asked(member, "coder")[0] and "First add." not in asked(member, "tester")[0]


@needs_sandbox
@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_a_coder_that_always_fails_has_exactly_the_rounds(rounds: int) -> None:
    member = by_role(analyst=["Plan."], coder=[WRONG], tester=[TESTS])
    reply = ask(rounds - 1, member)
    assert (len(asked(member, "coder")), len(asked(member, "tester"))) == (rounds, max(1, rounds - 1))
    assert reply.usage.calls == (3 if rounds == 1 else 2 * rounds) and reply.text == WRONG


@needs_sandbox
def test_a_report_is_cut() -> None:
    member = by_role(analyst=["Plan."], coder=["```python\nraise ValueError('x' * 9000)\n```", RIGHT], tester=[TESTS])
    ask(1, member)
    report = asked(member, "coder")[1].split("What came of it:\n<<<\n")[1].split("\n>>>")[0]
    assert "x" * 500 in report and len(report) <= 2000


@needs_sandbox
def test_each_version_has_tests_of_its_own() -> None:
    member = by_role(analyst=["Plan."], coder=[WRONG, RIGHT], tester=[TESTS, "assert add(5, 5) == 10"])
    assert ask(2, member).note["tests"] == {"program": "passed"} and "return a + b" in asked(member, "tester")[1]


@pytest.mark.parametrize("name", ["self-collaboration", "metagpt"])
@pytest.mark.parametrize("repairs", [0, 1, 4])
def test_the_formula_is_that_of_the_procedure(name: str, repairs: int) -> None:
    made = method(name, {"repairs": repairs})
    formula = type(made)()
    object.__setattr__(formula, "cost", type(made).cost)
    object.__setattr__(formula, "repairs", repairs)
    assert most_calls(formula, 3) == most_calls(made, 3) == procedure(name).calls(repairs)


@pytest.mark.parametrize("name", ["self-collaboration", "metagpt"])
def test_the_default_is_what_the_yaml_says(name: str) -> None:
    assert method(name).options()["repairs"] == max(phase.repairs for phase in procedure(name).phases)
    with pytest.raises(ConfigError, match="repairs must be at least 0"):
        method(name, {"repairs": -1})
