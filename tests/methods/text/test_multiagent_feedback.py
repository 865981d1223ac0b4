"""Multiagent feedback: who criticises whom, how often, and what is dropped."""

from __future__ import annotations

import asyncio

from consilience.methods.text.multiagent_feedback import MultiagentFeedback
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(5))


def speaker(letter: str, critique: str | None = "") -> Scripted:
    """Sticks to its letter; its critiques name it."""
    def answer(request: Request, draw: int) -> Answer:
        if request.form == "critique":
            return f"critic-{letter}" if critique == "" else critique
        return f"The answer is {letter}."
    return Scripted(letter, answer)


def run(members: list[Scripted], **options: int) -> Reply:
    return asyncio.run(Team(MultiagentFeedback(**options), members).generate(QUESTION))[0]


def forms(member: Scripted, form: str) -> list[Request]:
    return [request for request in member.asked if request.form == form]


def test_calls_of_the_catalogue() -> None:
    members = [speaker(x) for x in "ABCD"]
    assert run(members).usage.calls == 4 + 2 * 16 + 1
    for member in members:
        assert len(forms(member, "critique")) == 6 and len(forms(member, "refine")) == 2
        for request in forms(member, "critique"):
            assert f"The answer is {member.name}." not in str(dict(request.fields)["answer"]), "nobody criticises itself"
        for request in forms(member, "refine"):
            told = dict(request.fields)
            assert told["answer"] == f"The answer is {member.name}."
            assert sorted(told["peers"]) == sorted(f"critic-{x}" for x in "ABCD" if x != member.name)


def test_fewer_critics_are_drawn_alike_each_time() -> None:
    seen = []
    for _ in range(2):
        members = [speaker(x) for x in "ABCD"]
        assert run(members, critics=1, rounds=2).usage.calls == 4 + 4 + 4 + 1
        seen.append([len(forms(m, "critique")) for m in members])
    assert seen[0] == seen[1] and sum(seen[0]) == 4


def test_alone_there_is_nobody_to_criticise() -> None:
    assert run([speaker("A")]).usage.calls == 2


def test_empty_critiques_are_dropped() -> None:
    members = [speaker("A"), speaker("B", critique=None), speaker("C")]
    run(members, rounds=2)
    assert [dict(r.fields)["peers"] for r in forms(members[0], "refine")] == [("critic-C",)]


def test_unanimity_ends_it() -> None:
    assert run([Scripted(x, ["The answer is A."]) for x in "xyz"]).usage.calls == 3


def test_who_was_absent_criticises_nothing() -> None:
    gone = down("Z")
    members = [speaker("A"), speaker("B"), gone]
    run(members, critics=1)
    assert len(gone.asked) == 1 and all(len(forms(m, "critique")) == 2 for m in members[:2])
