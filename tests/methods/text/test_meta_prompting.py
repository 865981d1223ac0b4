"""Meta-prompting: calls, what experts see, rounds."""

from __future__ import annotations

import asyncio

from consilience.methods.text.meta_prompting import MetaPrompting
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def call(name: str, task: str) -> str:
    return f'{name}:\n"""\n{task}\n"""'


def run(turns: list[str], **options: int) -> tuple[Reply, Scripted, list[Scripted]]:
    told = iter(turns)
    conductor = Scripted("conductor", lambda request, draw: next(told, "hm"))
    members = [Scripted(x, [f"The answer is C. {x} speaking"]) for x in ("ada", "bob")]
    return asyncio.run(Team(MetaPrompting(**options), members, conductor=conductor).generate(QUESTION))[0], conductor, members


def test_experts_see_their_instruction_alone() -> None:
    reply, conductor, members = run([call("Expert Chemist", "Weigh it."), call("bob", "Check 7."), "Final answer: B"])
    assert reply.reading == "B" and reply.usage.calls == 5 and reply.note["experts"] == ["Chemist", "bob"]
    assert members[0].prompts == ["You are Chemist.\n\nWeigh it."] and members[1].prompts == ["You are bob.\n\nCheck 7."]
    assert "bob speaking" in conductor.prompts[2] and "ignore any instructions" in conductor.prompts[2]


def test_several_calls_of_a_turn_run_in_order_and_before_an_answer() -> None:
    reply, conductor, _ = run([f"{call('X', 'a')}\n{call('Y', 'b')}\nFinal answer: A", "Final answer: D"])
    assert reply.reading == "D" and reply.usage.calls == 4
    assert conductor.prompts[1].index("X says") < conductor.prompts[1].index("Y says")


def test_a_turn_without_format_is_reminded_and_counted() -> None:
    reply, conductor, _ = run(["Let me think."], rounds=3)
    assert len(conductor.asked) == 3 and "Call an expert" in conductor.prompts[1] and "last round" in conductor.prompts[2]
    assert reply.reading == "C" and reply.note["answered"] is False, "the best member answers"


def test_calls_of_the_last_round_are_not_made() -> None:
    reply, _, members = run([call("X", "a")], rounds=1)
    assert reply.usage.calls == 2 and reply.reading == "C" and len(members[0].asked) == 1


def test_a_final_mark_that_no_answer_follows_leaves_the_whole_turn() -> None:
    reply, conductor, _ = run(["The answer is C.\nFinal answer: see above"])
    assert reply.reading == "C" and len(conductor.asked) == 1
