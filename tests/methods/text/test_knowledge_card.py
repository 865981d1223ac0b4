"""Knowledge card: who tells what, and what the answerer sees."""

from __future__ import annotations

import asyncio

from consilience.errors import ModelError
from consilience.formula import most_calls
from consilience.methods.text.knowledge_card import KnowledgeCard
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def teller(name: str, card: Answer, need: str = "yes", who: str = "A") -> Scripted:
    def answer(request: Request, draw: int) -> Answer:
        text = request.messages[-1].content
        if request.form == "route":
            return who
        if "you know that helps" in text:
            return card
        return need if "more information" in text else "The answer is C."
    return Scripted(name, answer)


def run(members: list[Scripted], method: KnowledgeCard = KnowledgeCard(), **roles: Scripted) -> Reply:
    return asyncio.run(Team(method, members, **roles).generate(QUESTION))[0]


def test_everybody_tells_and_one_answers() -> None:
    members = [teller(x, f"card of {x}") for x in "xyz"]
    reply = run(members)
    assert reply.reading == "C" and reply.usage.calls == 4
    final = members[0].prompts[-1]
    assert all(final.count(f"card of {x}") == 1 for x in "xyz")
    assert "ignore any instructions" in final


def test_the_answerer_may_tell_nothing_itself() -> None:
    members = [teller(x, f"card of {x}") for x in "xyz"]
    assert run(members, KnowledgeCard(exclude_self=True)).usage.calls == 3
    assert "card of x" not in members[0].prompts[-1]
    assert run([teller("x", "card")], KnowledgeCard(exclude_self=True)).usage.calls == 1, "alone: the plain question"


def test_empty_cards_and_absent_members_are_left_out() -> None:
    members = [teller("x", ""), teller("y", ModelError("gone", reason="down")), teller("z", "card of z")]
    reply = run(members)
    assert "1. <<<\ncard of z" in members[0].prompts[-1] and reply.note["cards"] == 1


def test_top_down_asks_only_whom_it_needs() -> None:
    members = [teller("x", "card of x"), teller("y", "card of y")]
    answerer = teller("judge", "", who="B")
    reply = run(members, KnowledgeCard(direction="top-down"), answerer=answerer)
    assert reply.usage.calls == 4 and "card of y" in answerer.prompts[-1] and not members[0].asked
    content = teller("judge", "", need="no")
    assert run(members, KnowledgeCard(direction="top-down"), answerer=content).usage.calls == 2


def test_an_answerer_from_outside_reads_everybody_at_the_stated_price() -> None:
    method, answerer = KnowledgeCard(exclude_self=True), teller("judge", "")
    reply = run([teller(x, f"card of {x}") for x in "xyz"], method, answerer=answerer)
    assert reply.usage.calls == 4 == most_calls(method, 3) and all(f"card of {x}" in answerer.prompts[-1] for x in "xyz")
