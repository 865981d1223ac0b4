"""Most confident: by likelihood."""

from __future__ import annotations

import asyncio
from math import log

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


def test_ties_go_to_the_better_on_dev() -> None:
    assert run(MostConfident(), [said("A", .5)], [said("B", .5)], standing=(.2, .8)).reading == "B"


def test_nobody_sure_is_the_best_members_text() -> None:
    reply = run(MostConfident(), [said("hm", .9)], [said("well", .9)], standing=(.1, .2))
    assert reply.text == "well" and reply.unread
