"""Multiagent refine: who reads what, how often, and what happens when somebody fails."""

from __future__ import annotations

import asyncio

from consilience.errors import ModelError
from consilience.methods.text.refine import MultiagentRefine
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def telling(letter: str) -> Scripted:
    """Answers with its letter and the round, so that every text is unique."""
    count = iter(range(99))
    return Scripted(letter, lambda request, draw: f"The answer is {letter}. mark-{letter}{next(count)}")


def run(method: MultiagentRefine, members: list[Scripted]):  # type: ignore[no-untyped-def]
    [reply] = asyncio.run(Team(method, members).generate(QUESTION))
    return reply


def test_calls_and_prompts() -> None:
    members = [telling(x) for x in "ABC"]
    reply = run(MultiagentRefine(rounds=3), members)
    assert reply.usage.calls == 3 * 3 + 1
    for i, me in enumerate(members):
        for r in (1, 2):
            prompt = me.prompts[r]
            for other in members:
                assert prompt.count(f"mark-{other.name}{r - 1}") == 1, (i, r, other.name)
                assert f"mark-{other.name}{r}" not in prompt
            asked = dict(me.asked[r].fields)
            assert f"mark-{me.name}" in str(asked["answer"]) and len(asked["peers"]) == 2
    assert members[0].asked[3].form == "fuse"


def test_one_round_is_a_summary_only() -> None:
    assert run(MultiagentRefine(rounds=1), [telling("A"), telling("B")]).usage.calls == 3


def test_unanimity_stops_early_unless_told_otherwise() -> None:
    three = [Scripted(x, ["A"]) for x in "xyz"]
    assert run(MultiagentRefine(), three).usage.calls == 3
    assert run(MultiagentRefine(early_stop=False), three).usage.calls == 10


def test_alone_it_is_self_refine_without_peers() -> None:
    alone = telling("A")
    reply = run(MultiagentRefine(), [alone])
    assert reply.usage.calls == 4 and [r.form for r in alone.asked] == ["answer", "fuse", "fuse", "fuse"]


def test_a_member_that_fails_later_keeps_its_answer_and_one_absent_at_first_stays_away() -> None:
    def tiring(request: Request, draw: int) -> Answer:
        return "The answer is B. first" if request.form == "answer" else ModelError("tired")
    steady, absent = telling("A"), Scripted("c", [ModelError("down", reason="down")])
    reply = run(MultiagentRefine(), [steady, Scripted("b", tiring), absent])
    assert "The answer is B. first" in steady.prompts[2] and len(absent.asked) == 1
    assert reply.reading == "A" and {a.member for a in reply.absent} == {"b", "c"}


def test_an_unreadable_summary_falls_back_to_the_vote() -> None:
    def summary(request: Request, draw: int) -> Answer:
        return "well" if request.form == "fuse" else "A"
    reply = run(MultiagentRefine(), [Scripted("a", summary), Scripted("b", ["B"]), Scripted("c", ["B"])])
    assert reply.reading == "B" and reply.note["fallback"] == "last ask unread"
