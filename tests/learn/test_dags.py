"""Graphs of calls: levels, what nodes are asked, what happens when they fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from consilience.errors import ModelError
from consilience.gather import Members
from consilience.learn.dags import Node, flow, levels, placed, ranked, sinks
from consilience.method import Cast, Last, Level, Method
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))
CHAIN = (Node(0), Node(1, "assist", (0,)), Node(2, "assist", (1,)))
STAR = (Node(0), Node(1), Node(2, "fuse", (0, 1)))


@dataclass(frozen=True)
class Given(Method):
    level: ClassVar = Level.TEXT

    nodes: tuple[Node, ...] = ()

    async def run(self, request: Request, members: Members) -> Last:
        return await flow(request, members, self.nodes)


def member(name: str, said: Answer = None) -> Scripted:
    return Scripted(name, [said or f"The answer is {name.upper()}. mark-{name}"])


def run(nodes: tuple[Node, ...], members: list[Scripted]) -> Reply:
    return asyncio.run(Team(Given(nodes=nodes), members).generate(QUESTION))[0]


def test_levels_and_sinks() -> None:
    assert levels(CHAIN) == [[0], [1], [2]] and levels(STAR) == [[0, 1], [2]] and levels(()) == []
    assert sinks(STAR) == [2] and sinks((Node(0), Node(1))) == [0, 1]
    assert Node.of(STAR[2].row) == STAR[2]


def test_a_chain_of_assists_refines_one_text_after_the_other() -> None:
    members = [member(x) for x in "abc"]
    reply = run(CHAIN, members)
    assert reply.reading == "C" and reply.usage.calls == 3 and reply.seconds == 3
    assert "mark-b" in members[2].prompts[0] and "mark-a" not in members[2].prompts[0]


def test_starters_answer_at_once_and_the_last_one_fuses() -> None:
    members = [member(x) for x in "abc"]
    reply = run(STAR, members)
    assert reply.seconds == 2 and members[0].prompts[0].startswith("Which?") and members[1].asked[0].form == "answer"
    assert "mark-a" in members[2].prompts[0] and "mark-b" in members[2].prompts[0]


def test_a_single_node_is_the_plain_model() -> None:
    one = member("b")
    assert run((Node(0),), [one]).usage.calls == 1 and one.asked == [QUESTION]


def test_who_fails_is_left_out_and_a_vote_stands_in_for_the_last() -> None:
    gone = ModelError("gone", reason="down")
    members = [member("a", gone), member("b"), member("c")]
    assert run(STAR, members).reading == "C" and "mark-b" in members[2].prompts[0]
    assert run(STAR, [member("a"), member("b"), member("c", gone)]).reading == "A"
    assert run(STAR, [member("a", gone), member("b", gone), member("c")]).reading == "C"
    assert run(CHAIN, [member("a", gone), member("b"), member("c")]).reading == "C"


def test_places_of_a_ranking_become_places_of_the_team() -> None:
    members = tuple(member(x) for x in "abc")
    assert ranked(Cast(members)) == [0, 1, 2] and ranked(Cast(members, standing=(.1, .9, .9))) == [1, 2, 0]
    assert placed(STAR, [2, 0, 1]) == (Node(2), Node(0), Node(1, "fuse", (0, 1)))
