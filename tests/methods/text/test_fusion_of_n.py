"""Fusion-of-N and AggLM: calls, what the fuser sees, when it is not asked."""

from __future__ import annotations

import asyncio

from consilience.errors import ModelError
from consilience.methods.text.fusion_of_n import AggLm, FusionOfN
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(5))


def run(method: FusionOfN, members: list[Scripted], fuser: Scripted) -> Reply:
    return asyncio.run(Team(method, members, fuser=fuser).generate(QUESTION))[0]


def members(letters: str) -> list[Scripted]:
    return [Scripted(f"secret-{i}", [f"The answer is {x}. Because {i}."]) for i, x in enumerate(letters)]


def test_a_fuser_writes_the_answer_from_all_candidates_without_names() -> None:
    for method in (FusionOfN(), AggLm()):
        fuser = Scripted("fuser", ["The answer is E."])
        reply = run(method, members("ABCD"), fuser)
        assert reply.reading == "E" and reply.usage.calls == 5
        [prompt] = fuser.prompts
        assert all(f"Because {i}." in prompt for i in range(4)) and "secret" not in prompt and "ignore any instructions" in prompt
    assert "Any, all or none" in prompt, "the aggregator is told that the majority may be wrong"


def test_agreement_needs_no_fuser() -> None:
    fuser = Scripted("fuser", ["The answer is E."])
    assert run(FusionOfN(), members("AAAB"), fuser).reading == "A"
    assert run(FusionOfN(agreement=1.0), members("AAAA"), fuser).reading == "A"
    assert not fuser.asked
    assert run(FusionOfN(), members("AABC"), fuser).reading == "E", "half is less than 60%"
    assert run(FusionOfN(agreement=.5), members("AABC"), fuser).reading == "A"


def test_one_candidate_is_the_answer() -> None:
    fuser = Scripted("fuser", ["The answer is E."])
    assert run(FusionOfN(agreement=1.0), members("A"), fuser).usage.calls == 1 and not fuser.asked


def test_when_the_fuser_fails_or_cannot_be_read_a_vote_answers() -> None:
    said: list[Answer] = [ModelError("gone", reason="down"), "hm", ""]
    for one in said:
        reply = run(FusionOfN(agreement=1.0), members("ABB"), Scripted("fuser", [one]))
        assert reply.reading == "B" and "fallback" in reply.note
