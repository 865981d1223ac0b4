"""ThoughtMani: the prefix that the reasoner continues, and what leaves it to its own thinking."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from consilience.errors import ModelError
from consilience.methods.text.thought_mani import ThoughtMani
from consilience.model import Continue
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


@dataclass
class Continuing(Scripted):
    """A scripted member that can go on from a partial answer."""

    def power(self, kind: type) -> object | None:
        return self if kind is Continue else super().power(kind)


def run(said: Answer, reasoner: Scripted) -> Reply:
    outliner = Scripted("small", [said])
    return asyncio.run(Team(ThoughtMani(), [outliner, reasoner], outliner=outliner, reasoner=reasoner).generate(QUESTION))[0]


def test_the_outline_is_a_closed_thinking_block() -> None:
    reasoner = Continuing("large", ["The answer is A."])
    reply = run("1. look <think>\n2. choose", reasoner)
    assert reply.reading == "A" and reasoner.asked[0].prefix == "<think>\n1. look \n2. choose\n</think>\n\n"
    assert reply.note["outline"] is True


def test_without_continuing_it_stands_in_the_question() -> None:
    reasoner = Scripted("large", ["The answer is A."])
    run("1. look", reasoner)
    assert "<<<\n1. look\n>>>" in reasoner.prompts[0] and not reasoner.asked[0].prefix


@pytest.mark.parametrize("said", ["TOO HARD", "It is too hard.", "", ModelError("gone", reason="down")])
def test_otherwise_the_reasoner_thinks_by_itself(said: Answer) -> None:
    reasoner = Continuing("large", ["The answer is A."])
    assert run(said, reasoner).note["outline"] is False
    assert reasoner.asked[0] == QUESTION


def test_after_an_outline_that_silences_it_the_reasoner_thinks_by_itself() -> None:
    reasoner = Continuing("large", lambda request, draw: "" if request.prefix else "The answer is A.")
    assert run("1. look", reasoner).reading == "A"
    assert [bool(asked.prefix) for asked in reasoner.asked] == [True, False]
