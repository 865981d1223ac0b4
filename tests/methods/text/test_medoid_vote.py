"""Medoid vote: likeness, ties, few answers."""

from __future__ import annotations

import asyncio

import pytest

from consilience.methods.text.medoid_vote import MedoidVote
from consilience.reading import Free
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted

QUESTION = Request.of("Say it.", form="answer", format=Free())


def run(*texts: str, standing: list[float] | None = None) -> Reply:
    members = [Scripted(f"m{i}", [text]) for i, text in enumerate(texts)]
    return asyncio.run(Team(MedoidVote(), members, standing=standing).generate(QUESTION))[0]


def test_the_answer_most_like_the_others() -> None:
    reply = run("bananas are blue", "the cat sat on mats", "one cat sat on mats", "the cat sat")
    assert reply.text == "the cat sat on mats"
    # word F1 ("the" is an article): 0 with bananas, 2*4/(4+5) with the second, 2*2/(4+2) with the third
    assert reply.note["likeness"] == pytest.approx((0 + 8 / 9 + 4 / 6) / 3)


def test_equal_answers_are_a_vote_and_ties_go_by_dev() -> None:
    assert run("x", "y", "y").text == "y"
    assert run("x", "y", "z", standing=[.1, .3, .2]).text == "y"
    assert run("x", "y", standing=[.1, .3]).text == "y", "two answers are equally like each other"


def test_every_draw_counts() -> None:
    members = [Scripted("a", ["red", "blue", "red"]), Scripted("b", ["blue", "blue", "green"])]
    reply = asyncio.run(Team(MedoidVote(draws=3), members).generate(QUESTION))[0]
    assert reply.text == "blue" and reply.usage.calls == 6
