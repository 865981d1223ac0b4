"""Multiagent debate: who reads whom, the conversation, early stops, the vote."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from consilience.methods.text.debate import MultiagentDebate
from consilience.prompt import put
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(5))


def run(members: list[Scripted], **options: Any) -> Reply:
    return asyncio.run(Team(MultiagentDebate(**options), members).generate(QUESTION))[0]


def telling(name: str, letters: str | Callable[[int], str]) -> Scripted:
    """Says `letters[round]`, with a mark that is unique to member and round."""
    def answer(request: Request, draw: int) -> Answer:
        turn = sum(message.role == "assistant" for message in request.messages)
        letter = letters(turn) if callable(letters) else letters[min(turn, len(letters) - 1)]
        return f"The answer is {letter}. mark-{name}{turn}"
    return Scripted(name, answer)


def test_each_reads_the_others_and_keeps_its_own_turns() -> None:
    members = [telling(x, x) for x in "ABC"]
    reply = run(members, rounds=3)
    assert reply.usage.calls == 9
    for member in members:
        talk = member.asked[2].messages
        assert [m.role for m in talk] == ["user", "assistant", "user", "assistant", "user"]
        assert talk[1].content.endswith(f"mark-{member.name}0") and talk[3].content.endswith(f"mark-{member.name}1")
        for place, turn in ((2, 0), (4, 1)):
            assert f"mark-{member.name}" not in talk[place].content
            assert all(talk[place].content.count(f"mark-{x}{turn}") == 1 for x in "ABC" if x != member.name)


def test_a_ring_of_four_reads_two() -> None:
    members = [telling(x, x) for x in "ABCD"]
    run(members, neighbours=2)
    for i, member in enumerate(members):
        last = member.asked[1].messages[-1].content
        assert {x for x in "ABCD" if f"mark-{x}0" in last} == {"ABCD"[(i + 1) % 4], "ABCD"[(i - 1) % 4]}


def test_one_round_is_a_majority_vote_and_unanimity_ends_it() -> None:
    assert run([telling("x", "A"), telling("y", "B"), telling("z", "B")], rounds=1).reading == "B"
    assert run([telling(x, "A") for x in "xyz"], rounds=5).usage.calls == 3


def test_a_majority_can_flip() -> None:
    assert run([telling("x", "BB"), telling("y", "AB"), telling("z", "AA")]).reading == "B"


def test_a_mere_comment_keeps_the_answer_before() -> None:
    quiet = Scripted("q", lambda request, draw: "Interesting!" if len(request.messages) > 1 else "The answer is C.")
    reply = run([quiet, telling("x", "CC"), telling("y", "DD")])
    assert reply.reading == "C"


def test_a_judge_may_have_the_last_word() -> None:
    judge = Scripted("judge", ["The answer is E."])
    reply = asyncio.run(Team(MultiagentDebate(final="judge"), [telling(x, x) for x in "ABC"], judge=judge).generate(QUESTION))[0]
    assert reply.reading == "E" and reply.usage.calls == 7 and "mark-A1" in judge.prompts[0]


def test_how_far_to_agree_is_said() -> None:
    members = [telling(x, x) for x in "AB"]
    run(members, agree=30)
    assert "30%" in members[0].asked[1].messages[-1].content


def test_a_team_in_a_debate_is_asked_what_the_debate_was_asked() -> None:
    inner = [telling(x, x) for x in "AB"]
    team = Team(MultiagentDebate(), [Team(MultiagentDebate(), inner, name="inner"), telling("C", "C")])
    asyncio.run(team.generate(put(QUESTION, "fuse", candidates=["draft one", "draft two"])))
    assert all("draft one" in "".join(message.content for message in asked.messages) + str(asked.fields)
               for member in inner for asked in member.asked)


def test_the_conversation_grows_so_that_tokens_grow_with_the_square_of_rounds() -> None:
    def read(rounds: int) -> int:
        members = [telling(x, x) for x in "ABC"]
        run(members, rounds=rounds)
        return sum(len(message.content) for member in members for asked in member.asked for message in asked.messages)
    totals = [read(rounds) for rounds in range(1, 7)]
    growth = [b - a for a, b in pairwise(totals)]
    assert len({b - a for a, b in pairwise(growth[1:])}) == 1 and growth[2] > growth[1]
