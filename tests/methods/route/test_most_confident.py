"""Most confident: by likelihood, and by agreement of samples (SLM-MUX)."""

from __future__ import annotations

import asyncio
from math import log

import pytest

from consilience.methods.route.most_confident import MostConfident
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request, Token
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(9))


def run(method: MostConfident, *scripts: list[str | Reply], standing: tuple[float, ...] | None = None) -> Reply:
    members = [Scripted(f"m{i}", script) for i, script in enumerate(scripts)]
    [reply] = asyncio.run(Team(method, members, standing=standing).generate(QUESTION))
    return reply


def said(text: str, *chances: float) -> Reply:
    return Reply(text, tokens=tuple(Token(text, log(p)) for p in chances))


def test_by_likelihood() -> None:
    first, second = [said("A", .9, .9, .1)], [said("B", .6, .6, .6)]
    assert run(MostConfident(), first, second).reading == "A"
    assert run(MostConfident(confidence="min"), first, second).reading == "B"
    assert run(MostConfident(), [said("hm", .99)], second).reading == "B", "what cannot be read is never sure"


MUX = MostConfident(confidence="agreement")


def test_agreement_of_the_catalogue() -> None:
    reply = run(MUX, ["G", "G", "G", "H", "I"], ["D", "D", "D", "D", "E"])
    assert reply.reading == "D" and reply.note["confidence"] == .8 and reply.usage.calls == 10
    reply = run(MUX, ["G", "G", "G", "?", "?"], ["A", "B", "C", "D", "E"])
    assert reply.note["confidence"] == .6, "unread samples count in the whole"


def test_ties_go_to_the_better_on_dev() -> None:
    assert run(MUX, ["A"], ["B"], standing=(.2, .8)).reading == "B"
    one = MostConfident(confidence="agreement", draws=1)
    assert run(one, ["A"], ["B"], ["C"], standing=(.1, .2, .9)).reading == "C"
    assert run(one, ["A"], ["B"], ["?"], standing=(.1, .2, .9)).reading == "B"


def test_nobody_sure_is_the_best_members_text() -> None:
    reply = run(MUX, ["hm"], ["well"], standing=(.1, .2))
    assert reply.text == "well" and reply.unread


@pytest.mark.parametrize("draws", [1, 3])
def test_alone_it_is_self_consistency(draws: int) -> None:
    assert run(MostConfident(confidence="agreement", draws=draws), ["A", "B", "B"]).reading == ("A" if draws == 1 else "B")
