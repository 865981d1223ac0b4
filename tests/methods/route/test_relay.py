"""Relay: who writes what, and how many steps dev asks the strong model for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consilience.methods.route.relay import Relay
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.methods.questions import split
from tests.methods.route.writers import Writer, failing

QUESTION = Request.of("Why?", form="answer", format=Choice(4))
STRONG = ["PLAN", "SECOND", "THIRD", "Answer: B"]
WEAK = ["plan", "second", "third", "Answer: A"]


def run(strong: Writer | None = None, weak: Writer | None = None, **options: Any) -> Reply:
    strong, weak = strong or Writer("strong", script=STRONG), weak or Writer("weak", script=WEAK)
    team = Team(Relay(**options), [weak, strong], strong=strong, weak=weak)
    return asyncio.run(team.generate(QUESTION))[0]


def test_nothing_and_all_by_the_strong_model() -> None:
    assert run(handover=0).text == "\n\n".join(WEAK) and run(handover=0).note["authors"] == ["weak"]
    assert run(handover=9).text == "\n\n".join(STRONG) and run(handover=9).note["authors"] == ["strong"] * 4
    assert run(handover=4).note["authors"] == ["strong"] * 4, "nothing is left to hand over"


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_the_strong_model_writes_exactly_the_first_steps(k: int) -> None:
    reply = run(handover=k)
    assert reply.note["authors"] == ["strong"] * k + ["weak"] and reply.usage.calls == k + 1
    assert reply.text == "\n\n".join([*STRONG[:k], *WEAK[k:]]) and reply.reading == "A"


def test_one_step_more_shares_the_beginning() -> None:
    texts = [(run(handover=k).text or "").split("\n\n") for k in range(4)]
    assert all(texts[k][:k] == texts[k + 1][:k] for k in range(3))


def test_the_reversed_order_is_a_control() -> None:
    reply = run(handover=1, first="weak")
    assert reply.note["authors"] == ["weak", "strong"] and reply.reading == "B"


def test_dev_says_how_many_steps() -> None:
    """Only with two steps of the strong model does the weak one come to C."""
    weak = Writer("weak")
    weak.answers = lambda r, d: ("Answer: C" if r.prefix.count("\n\n") == 2 else "Answer: A")
    strong = Writer("strong", script=["PLAN", "SECOND", "THIRD", "FOURTH", "Answer: B"])
    team = Team(Relay(), [weak, strong], strong=strong, weak=weak).fit_sync(split([("Why?", "C"), ("How?", "C")]))
    values = team.method.found().values
    assert values["handover"] == 2 and values["expected"]["quality"][0] == 1.0


def test_whoever_fails_is_stood_in_for() -> None:
    assert run(strong=failing("strong"), handover=2).text == "\n\n".join(WEAK)
    assert run(weak=failing("weak"), handover=2).text == "\n\n".join(STRONG)


def test_one_model_answers_alone() -> None:
    writer = Writer("w", script=WEAK)
    assert asyncio.run(Team(Relay(handover=1), [writer]).generate(QUESTION))[0].usage.calls == 1
