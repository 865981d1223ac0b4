"""The controls: best on dev, random member."""

from __future__ import annotations

import asyncio
from collections import Counter

from consilience.methods.route.best_on_dev import BestOnDev
from consilience.methods.route.random_member import RandomMember
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Draws, Request
from tests.members import Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def test_best_on_dev_and_the_next_when_it_is_down() -> None:
    members = [Scripted("a", ["A"]), Scripted("b", ["B"]), down("c")]
    [reply] = asyncio.run(Team(BestOnDev(), members, standing=(.5, .6, .4)).generate(QUESTION))
    assert reply.reading == "B" and reply.usage.calls == 1
    [reply] = asyncio.run(Team(BestOnDev(), members, standing=(.5, .6, .9)).generate(QUESTION))
    assert reply.reading == "B" and reply.note["fallback"] is True


def test_random_member_is_uniform_repeatable_and_indifferent_to_order() -> None:
    members = [Scripted(x, [x]) for x in "ABCD"]
    team, turned = Team(RandomMember(), members), Team(RandomMember(), members[::-1])
    def picks(of: Team) -> list[str | None]:
        return [asyncio.run(of.generate(QUESTION.having(seed=s)))[0].reading for s in range(400)]
    first = picks(team)
    assert first == picks(team) == picks(turned)
    assert all(70 <= n <= 130 for n in Counter(first).values()), "four cells of 100, 3.5 standard deviations"


def test_another_draw_is_another_lot() -> None:
    team = Team(RandomMember(), [Scripted(x, [x]) for x in "ABCD"])
    assert len({r.reading for r in asyncio.run(team.generate(QUESTION, Draws(20)))}) > 1
