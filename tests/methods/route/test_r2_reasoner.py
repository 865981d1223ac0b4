"""R2-Reasoner: sub-tasks in order, each by whom the allocator names."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consilience.errors import NoAnswerError, TeamError
from consilience.methods.route.r2_reasoner import R2Reasoner
from consilience.model import Price
from consilience.reading import Number
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down

QUESTION = Request.of("What is (1 + 2) * 3?", form="answer", format=Number())
PLAN = "1. Add 1 and 2\n2. Multiply result 1 by 3\n3. State it"


def worker(name: str, price: float, said: str = "") -> Scripted:
    return Scripted(name, [said or f"done by {name} 9"], price=Price(price, price))


def allocator(letters: dict[str, str]) -> Scripted:
    """Names the letter of the first key found in the sub-task."""
    def choose(request: Request, draw: int) -> Answer:
        return next((letter for key, letter in letters.items() if key in request.question.partition("sub-task")[2]), "hm")
    return Scripted("allocator", choose)


def run(plan: str | Scripted, who: Scripted, members: list[Scripted], **options: Any) -> Reply:
    splitter = plan if isinstance(plan, Scripted) else Scripted("decomposer", [plan])
    return asyncio.run(Team(R2Reasoner(**options), members, decomposer=splitter, allocator=who).generate(QUESTION))[0]


def pool() -> list[Scripted]:
    return [worker("large", 9), worker("small", 1), worker("middle", 4)]


def test_sub_tasks_are_done_in_order_and_see_earlier_results_only() -> None:
    large, small, middle = members = pool()
    reply = run(PLAN, allocator({"Add": "A", "Multiply": "C", "State": "B"}), members)
    assert reply.text == "done by middle 9" and reply.reading == "9"
    assert reply.note["route"] == ["small", "large", "middle"] and len(reply.note["subtasks"]) == 3
    assert "(nothing)" in small.prompts[0] and "Add 1 and 2 " in small.prompts[0] + " "
    assert "1. <<<\nAdd 1 and 2: done by small 9\n>>>" in large.prompts[0] and "done by large" not in large.prompts[0]
    assert "2. <<<\nMultiply result 1 by 3: done by large 9" in middle.prompts[0]
    assert reply.usage.calls == 1 + 3 + 3 and reply.cost == pytest.approx(sum(p.cost or 0 for p in reply.parts))


def test_the_allocator_sees_members_from_cheap_to_dear() -> None:
    who = allocator({})
    run(PLAN, who, pool())
    assert [t.partition(" (")[0] for t in who.asked[0].fields[0][1]] == ["scripted small", "scripted middle", "scripted large"]


def test_always_the_largest_costs_most() -> None:
    letters = ({"Add": a, "Multiply": b, "State": c} for a in "ABC" for b in "ABC" for c in "ABC")
    costs = [run(PLAN, allocator(x), pool()).cost or 0 for x in letters]
    assert max(costs) == costs[-1] == pytest.approx(run(PLAN, allocator({"": "C"}), pool()).cost)


@pytest.mark.parametrize("plan", ["I cannot.", "1. Do it all", "1. Use result 2\n2. Add", ""])
def test_no_plan_is_plain_routing(plan: str) -> None:
    who = Scripted("allocator", ["A"])
    reply = run(plan, who, pool())
    assert reply.text == "done by small 9" and reply.usage.calls == 3 and reply.note["subtasks"] == []
    assert who.asked[0].question == QUESTION.question


def test_a_plan_that_is_too_long_has_its_tail_done_as_one() -> None:
    reply = run("\n".join(f"{i + 1}. part {i}" for i in range(5)), allocator({}), pool(), subtasks=3)
    assert reply.note["subtasks"] == ["part 0", "part 1", "part 2 part 3 part 4"]


def test_an_unreadable_allocation_is_the_middle_and_a_failing_member_passes_on_to_the_dearer() -> None:
    assert run(PLAN, down("allocator"), pool()).note["route"] == ["middle"] * 3
    members = [worker("large", 9), down("small"), down("middle")]
    members[1].price, members[2].price = Price(1, 1), Price(4, 4)
    reply = run(PLAN, allocator({"": "A"}), members)
    assert reply.text == "done by large 9" and {a.member for a in reply.absent} == {"small", "middle"}
    dearest = [down("large"), worker("small", 1), worker("middle", 4)]
    dearest[0].price = Price(9, 9)
    assert run(PLAN, allocator({"": "C"}), dearest).text == "done by middle 9"


def test_failures() -> None:
    assert run(down("decomposer"), allocator({}), pool()).text == "done by middle 9"
    with pytest.raises(NoAnswerError):
        run(PLAN, allocator({}), [down("a"), down("b")])
    with pytest.raises(TeamError, match="at most 26"):
        Team(R2Reasoner(), [worker(f"m{i}", 1) for i in range(27)])


def test_one_member_answers_alone() -> None:
    assert run(PLAN, allocator({}), [worker("a", 1)]).usage.calls == 1
