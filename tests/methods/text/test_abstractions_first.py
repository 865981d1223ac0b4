"""Abstractions first: one solution of each member with each insight, and a vote."""

from __future__ import annotations

import asyncio

from consilience.errors import ModelError
from consilience.methods.text.abstractions_first import AbstractionsFirst
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Request
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def solver(name: str) -> Scripted:
    return Scripted(name, lambda r, d: "The answer is A." if "count twice" in r.messages[-1].content else "The answer is B.")


def test_members_solve_with_each_insight() -> None:
    hints = Scripted("hints", ["count twice", "guess", "count twice again"])
    members = [solver("x"), solver("y")]
    reply = asyncio.run(Team(AbstractionsFirst(), members, abstractor=hints).generate(QUESTION))[0]
    assert reply.reading == "A" and reply.usage.calls == 3 + 6
    assert reply.note["insights"] == ["count twice", "guess", "count twice again"]
    assert [p.split("<<<\n")[1].split("\n")[0] for p in members[0].prompts] == ["count twice", "guess", "count twice again"]


def test_without_insights_the_plain_question_is_solved() -> None:
    for said in ("", ModelError("gone", reason="down")):
        hints = Scripted("hints", [said])
        reply = asyncio.run(Team(AbstractionsFirst(), [solver("x"), solver("y")], abstractor=hints).generate(QUESTION))[0]
        assert reply.reading == "B"
