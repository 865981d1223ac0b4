"""Rounds: when they end, what is kept, and what a summary comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from consilience.gather import Member, Members, Run, Wave
from consilience.learn.rounds import discussed, summary
from consilience.method import Last
from consilience.reading import Choice
from consilience.types import Reply, Request
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def talk(*scripts: str, rounds: int = 3, early_stop: bool = True) -> tuple[Wave, Wave, list[Scripted]]:
    """What comes of members that say one word of their script in each round."""
    models = [Scripted(f"m{i}", script.split()) for i, script in enumerate(scripts)]
    run = Run()
    members = Members(tuple(Member(m, i, run) for i, m in enumerate(models)))

    async def turn(wave: Wave, number: int) -> Sequence[Request | None]:
        assert [r.draw if r is not None else None for r in wave.firsts] == [number] * len(models)
        return [QUESTION] * len(models)
    return (*asyncio.run(discussed(QUESTION, members, rounds, turn, early_stop)), models)


def texts(wave: Wave) -> list[str | None]:
    return [reply.text for reply in wave.replies]


@pytest.mark.parametrize(("early_stop", "asked"), [(True, 2), (False, 4)])
def test_rounds_end_once_all_have_stated_the_same(early_stop: bool, asked: int) -> None:
    _, last, models = talk("A B B C", "B B B C", rounds=4, early_stop=early_stop)
    assert [len(m.asked) for m in models] == [asked, asked] and texts(last) == (["B", "B"] if early_stop else ["C", "C"])


def test_a_comment_is_the_last_word_but_no_answer() -> None:
    wave, last, models = talk("A hm", "B A", rounds=2)
    assert texts(wave) == ["hm", "A"] and texts(last) == ["A", "A"]
    assert [len(m.asked) for m in talk("A hm", "B A", rounds=9)[2]] == [2, 2], "what was stated agrees"


def test_a_summary_reads_what_was_stated_and_agreement_needs_none() -> None:
    _, last, models = talk("A hm", "B C", rounds=2)
    summariser = Member(models[0], 0, Run())
    found = asyncio.run(summary(QUESTION, last, summariser, True))
    assert isinstance(found, Last) and sorted(found.request.fields[0][1]) == ["A", "C"] and found.otherwise is last.replies[0]
    _, same, _ = talk("A", "A", rounds=1)
    agreed = asyncio.run(summary(QUESTION, same, summariser, True))
    assert isinstance(agreed, Reply) and agreed.reading == "A" and agreed.note["agreed"]
    assert isinstance(asyncio.run(summary(QUESTION, same, summariser, False)), Last)
