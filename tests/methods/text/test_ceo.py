"""CEO-led discussion: decisions, who criticises, when it ends."""

from __future__ import annotations

import asyncio

import pytest

from consilience.methods.text.ceo import CeoDiscussion, decision
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


@pytest.mark.parametrize(("text", "found"), [
    ("continue; 3; 4096; look at the units", (False, 3, 4096, "look at the units")),
    ("I think:\nStop; 9; 99999", (True, 4, 32000, "")), ("", (False, 2, 0, "")),
    ("**stop; 1; 2048; done**\nThat is my decision.", (True, 1, 2048, "done")),
    ("no idea", (False, 2, 0, "")), ("Stop", (True, 2, 0, ""))])
def test_decisions_as_models_write_them(text: str, found: tuple[bool, int, int, str]) -> None:
    assert decision(text) == found


def worker(name: str, right: str = "yes", better: str = "B") -> Scripted:
    def answer(request: Request, draw: int) -> Answer:
        match request.form:
            case "check":
                return right
            case "critique":
                return f"note of {name}"
            case "refine":
                return f"The answer is {better}."
        return "The answer is A."
    return Scripted(name, answer)


def run(members: list[Scripted], *says: str, **options: int) -> Reply:
    told = iter(says)
    leader = Scripted("leader", lambda request, draw: next(told, ""))
    team = Team(CeoDiscussion(**options), members, standing=[1 - i / 10 for i in range(len(members))], leader=leader)
    return asyncio.run(team.generate(QUESTION))[0]


def test_when_all_agree_one_solver_call_is_enough() -> None:
    members = [worker(x) for x in "abc"]
    reply = run(members, "continue; 3; 2048; be quick")
    assert reply.reading == "A" and reply.usage.calls == 1 + 1 + 2
    assert "Direction of the work: be quick" in members[0].prompts[0] and members[0].asked[0].sampling.max_tokens == 512


def test_objections_are_worked_in_by_the_solver() -> None:
    members = [worker("a"), worker("b", "no"), worker("c"), worker("d", "no")]
    reply = run(members, "continue; 3; 64; go", "stop; 1; 64; done")
    assert reply.reading == "B" and reply.usage.calls == 1 + 1 + 2 + 1 + 1 + 1 and not members[3].asked
    last = members[0].asked[-1]
    assert dict(last.fields)["peers"] == ("note of b",) and last.sampling.max_tokens == 64


def test_rounds_end_and_an_early_stop_is_ignored() -> None:
    members = [worker("a"), worker("b", "no")]
    assert run(members, "stop; 1; 0; nothing", rounds=1).usage.calls == 2
    reply = run([worker("a"), worker("b", "no")], "continue; 2; 2048; x", "continue; 2; 2048; y", rounds=2)
    assert reply.note["rounds"] == 2 and reply.usage.calls == 2 * (1 + 1 + 1 + 1) + 1


def test_the_direction_of_every_round_is_told_to_the_solver() -> None:
    solver = worker("a")
    run([solver, worker("b", "no")], "continue; 2; 2048; look at the units", "continue; 2; 32; count again", rounds=2)
    first, second = (request for request in solver.asked if request.form == "refine")
    assert "Direction of the work: look at the units" in first.question and "count again" in second.question
    assert "units" not in second.question and second.sampling.max_tokens == 32
