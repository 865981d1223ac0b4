"""Prompt routing: who is chosen, by whom, and what happens when the choice fails."""

from __future__ import annotations

import asyncio

import pytest

from consilience.errors import TeamError
from consilience.methods.route.prompt_routing import PromptRouting
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted, down

QUESTION = Request.of("Question 2: which?", form="answer", format=Choice(4))


def naming(name: str) -> Scripted:
    """A router that always names one member, wherever it stands in the list."""
    def choose(request: Request, draw: int) -> str:
        listed = request.fields[0][1]
        return f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[listed.index(f'scripted {name}')]}"
    return Scripted("router", choose)


def run(router: Scripted, *members: Scripted, standing: tuple[float, ...] | None = None) -> Reply:
    [reply] = asyncio.run(Team(PromptRouting(), members, standing=standing, router=router).generate(QUESTION))
    return reply


def test_the_named_member_answers() -> None:
    members = [Scripted(x, [x]) for x in "ABCD"]
    for x in "ABCD":
        reply = run(naming(x), *members)
        assert (reply.reading, reply.note["route"], reply.usage.calls) == (x, x, 2)


def test_twelve_members() -> None:
    members = [Scripted(f"m{i}", ["B" if i == 9 else "A"]) for i in range(12)]
    assert run(naming("m9"), *members).reading == "B"


def test_an_unreadable_choice_or_a_failing_router_is_the_best_on_dev() -> None:
    members = [Scripted("a", ["A"]), Scripted("b", ["B"])]
    for router in (Scripted("r", ["none"]), down("r")):
        reply = run(router, *members, standing=(.1, .9))
        assert reply.reading == "B" and reply.note["routed"] is False


def test_a_chosen_member_that_fails_or_says_nothing_passes_on() -> None:
    reply = run(naming("x"), down("x"), Scripted("b", ["B"]), Scripted("c", ["C"]), standing=(.9, .1, .5))
    assert reply.reading == "C" and reply.note["fallback"] is True
    assert run(naming("x"), Scripted("x", [None]), Scripted("b", ["B"])).reading == "B"


def test_alone_there_is_no_routing() -> None:
    assert run(Scripted("r", ["A"]), Scripted("a", ["A"])).usage.calls == 1


def test_the_order_of_descriptions_is_drawn_per_question() -> None:
    router = Scripted("r", ["A"])
    team = Team(PromptRouting(), [Scripted(x, [x]) for x in "ABC"], router=router)
    for n in range(12):
        asyncio.run(team.generate(Request.of(f"Question {n}", form="answer", format=Choice(3))))
    assert len({r.fields for r in router.asked}) > 2


def test_descriptions_must_match_the_members() -> None:
    with pytest.raises(TeamError, match="1 descriptions for 2"):
        Team(PromptRouting(descriptions=("one",)), [Scripted("a", ["A"]), Scripted("b", ["B"])])
