"""Solo performance prompting: one call, the last mark, the personas."""

from __future__ import annotations

import asyncio

from consilience.methods.text.solo_performance import SoloPerformance, participants
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(4))
PLAY = "Participants: AI Assistant (you); Chemist\nAI Assistant: A?\nChemist: no. Final answer: A would be wrong.\nFinal answer: B"


def run(*members: Scripted) -> Reply:
    return asyncio.run(Team(SoloPerformance(), list(members)).generate(QUESTION))[0]


def test_the_text_after_the_last_mark_is_the_answer() -> None:
    one = Scripted("x", [PLAY])
    reply = run(one)
    assert reply.text == "B" and reply.reading == "B" and reply.usage.calls == 1
    assert reply.note["personas"] == ["AI Assistant", "Chemist"] and one.prompts[0].count("Participants:") == 2


def test_without_a_mark_the_whole_text_is_read() -> None:
    reply = run(Scripted("x", ["The answer is C."]))
    assert reply.reading == "C" and reply.note["marked"] is False and reply.note["personas"] == []


def test_the_next_member_plays_when_one_fails() -> None:
    assert run(down("x"), Scripted("y", [PLAY])).reading == "B"


def test_names_of_personas() -> None:
    assert participants("**Participants:** AI Assistant (you); Poet.") == ["AI Assistant", "Poet"]


def test_a_mark_that_no_answer_follows_leaves_the_whole_text() -> None:
    reply = run(Scripted("x", ["AI Assistant: The answer is C.\nFinal answer: as said above"]))
    assert reply.reading == "C" and reply.text and reply.text.startswith("AI Assistant")
