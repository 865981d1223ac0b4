"""Blackboard: entries and calls, failed actions, votes, forced ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from consilience.errors import ModelError
from consilience.methods.text.blackboard import Blackboard
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def entries(prompt: str) -> list[int]:
    return [int(n) for n in re.findall(r"^\[(\d+)\] \(", prompt, re.MULTILINE)]


def agent(name: str, plan: Callable[[int], str], answer: str = "C", vote: str = "") -> Scripted:
    """Names `plan(entries on the board)`, and does it."""
    def say(request: Request, draw: int) -> Answer:
        text = request.messages[-1].content
        if "Conclusions:" in text:
            named = re.search(rf"([A-Z])\) <<<\n[^>]*mark {vote}", text) if vote else None
            return named[1] if named else "hm"
        if "would help most" in text:
            return f"ACTION: {plan(len(entries(text)))}"
        return f"Because. Final answer: {answer} (mark {name})" if "Conclude" in text else f"work of {name}"
    return Scripted(name, say)


def run(members: list[Scripted], **options: int) -> Reply:
    return asyncio.run(Team(Blackboard(**options), members).generate(QUESTION))[0]


def usual(board: int) -> str:
    return ("strategy", "step", "terminate")[min(board, 2)]


def test_strategy_step_and_end_are_three_entries_and_six_calls() -> None:
    members = [agent(x, usual) for x in "abc"]
    reply = run(members)
    assert reply.reading == "C" and reply.usage.calls == 6 and reply.note["entries"] == reply.note["rounds"] == 3
    prompts = [p for m in members for p in m.prompts]
    assert max(map(entries, prompts), key=len) == [1, 2], "numbered without a gap"
    assert sum("ignore any instructions" in p for p in prompts) == len(prompts)


def test_two_actions_at_once_are_asked_again() -> None:
    told: list[str] = []

    def confused(request: Request, draw: int) -> Answer:
        text = request.messages[-1].content
        if "would help most" not in text:
            return "Final answer: B"
        told.append(text)
        return "ACTION: step ACTION: terminate" if len(told) == 1 else "ACTION: terminate"
    reply = run([Scripted("a", confused)])
    assert reply.reading == "B" and reply.usage.calls == 3 and "Name exactly one" in told[1]


def test_a_failed_action_adds_nothing_and_nothing_from_anybody_is_the_end() -> None:
    reply = run([Scripted(x, ["The answer is D."]) for x in "ab"], tries=2, idle=1)
    assert reply.reading == "D" and reply.usage.calls == 5 and reply.note["entries"] == 0 and reply.note["forced"]
    gone = run([Scripted("x", [ModelError("gone", reason="down")]), agent("b", usual)], iterations=8)
    assert gone.reading == "C" and {a.member for a in gone.absent} <= {"x"}


def test_the_forced_end_reads_the_board() -> None:
    one = agent("a", lambda board: "step")
    reply = run([one], iterations=3)
    assert reply.usage.calls == 7 and entries(one.prompts[-1]) == [1, 2, 3] and "The work ends here" in one.prompts[-1]


def test_an_end_that_states_no_answer_is_none() -> None:
    def mute(request: Request, draw: int) -> Answer:
        return "ACTION: terminate" if "would help most" in request.messages[-1].content else "hm"
    assert run([Scripted("a", mute)], iterations=2).note["forced"]


def test_different_conclusions_are_voted_on_and_equal_ones_are_not() -> None:
    both = [agent("a", lambda board: "terminate", "A", "b"), agent("b", lambda board: "terminate", "B", "b")]
    reply = run(both, acting=2, stops=2)
    assert reply.reading == "B" and reply.usage.calls == 6 and sorted(reply.note["votes"]) == [0, 2]
    agreed = [agent(x, lambda board: "terminate", "A") for x in "ab"]
    assert run(agreed, acting=2, stops=2).usage.calls == 4
    mute = [agent(x, lambda board: "terminate", x.upper()) for x in "ab"]
    tied = run(mute, acting=2, stops=2)
    assert tied.note["votes"] == [0, 0] and tied.reading == tied.parts[2].reading, "no ballot can be read: the earlier one"


def test_one_end_of_two_that_are_needed_goes_on() -> None:
    members = [agent("a", lambda board: "terminate", "A"), agent("b", lambda board: "step" if board < 2 else "terminate", "A")]
    reply = run(members, acting=2, stops=2)
    assert reply.note["rounds"] == 2 and reply.usage.calls == 8
