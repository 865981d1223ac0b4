"""Mixture of agents: layers, references, the aggregator."""

from __future__ import annotations

import asyncio

from consilience.methods.text.mixture_of_agents import MixtureOfAgents
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def run(method: MixtureOfAgents, members: list[Scripted], **roles: Scripted) -> Reply:
    [reply] = asyncio.run(Team(method, members, **roles).generate(QUESTION))
    return reply


def test_seven_calls_for_three_members_and_layers() -> None:
    members = [Scripted(x, lambda request, draw, x=x: f"{request.form}-{x}: the answer is {x}.") for x in "ABC"]
    reply = run(MixtureOfAgents(), members)
    assert reply.usage.calls == 7
    second, last = members[1].asked[1], members[0].asked[-1]
    assert sorted(second.fields[0][1]) == [f"answer-{x}: the answer is {x}." for x in "ABC"]
    assert sorted(last.fields[0][1]) == [f"fuse-{x}: the answer is {x}." for x in "ABC"]


def test_one_layer_is_the_aggregator_alone() -> None:
    reply = run(MixtureOfAgents(layers=1), [Scripted("a", ["A"]), Scripted("b", ["B"])], aggregator=Scripted("z", ["C"]))
    assert (reply.reading, reply.usage.calls) == ("C", 1)


def test_an_aggregator_that_echoes_the_first_reference_returns_it() -> None:
    echo = Scripted("echo", lambda request, draw: request.fields[0][1][0])
    reply = run(MixtureOfAgents(layers=2), [Scripted("a", ["A"]), Scripted("b", ["B"])], aggregator=echo)
    assert reply.text == echo.asked[0].fields[0][1][0] and reply.text in ("A", "B")


def test_the_order_of_references_is_fixed_by_the_seed_not_by_the_members() -> None:
    def order(members: list[Scripted], seed: int = 0) -> object:
        last = Scripted("z", ["A"])
        asyncio.run(Team(MixtureOfAgents(layers=2), members, aggregator=last).generate(QUESTION.having(seed=seed)))
        return last.asked[0].fields
    members = [Scripted(x, [f"{x}."]) for x in "ABCD"]
    assert order(members) == order(members[::-1])
    assert len({str(order(members, seed)) for seed in range(8)}) > 1


def test_self_moa_is_a_team_of_copies() -> None:
    one = Scripted("a", ["A", "B", "C"])
    reply = run(MixtureOfAgents(layers=2), [one, one, one], aggregator=Scripted("z", ["D"]))
    assert reply.usage.calls == 4 and sorted(p.text or "" for p in reply.parts) == ["A", "B", "C", "D"]


def test_another_member_answers_for_an_aggregator_that_is_down() -> None:
    reply = run(MixtureOfAgents(layers=1), [down("a"), Scripted("b", ["B"])])
    assert reply.reading == "B" and [a.member for a in reply.absent] == ["a"]
