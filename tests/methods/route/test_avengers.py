"""The Avengers: experts of groups, new members, the vote."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from consilience.errors import ConfigError
from consilience.methods.route.avengers import Avengers
from consilience.team import Team, run_sync
from consilience.types import Request
from tests.members import Scripted, down
from tests.methods.route.experts import DEV, accuracy, ask, knows, pair


@pytest.mark.parametrize("method", [Avengers(), Avengers(groups=8), Avengers(groups=64), Avengers(score="rank", near=3)])
def test_the_expert_of_the_group_answers(method: Avengers) -> None:
    team = Team(method, pair()).fit_sync(DEV)
    assert accuracy(team) > .9 and accuracy(Team(method, pair()[::-1]).fit_sync(DEV)) == accuracy(team)
    assert ask(team, "what jam is made of plum").note["route"] == "fruit" and ask(team, "what jam").usage.calls == 1


def test_one_group_is_best_on_dev() -> None:
    members = [*pair(), Scripted("all", ["A"])]
    team = Team(Avengers(groups=1), members).fit_sync(DEV)
    assert {ask(team, e.question).note["route"] for e in DEV} == {"all"}


def test_a_new_member_changes_only_what_the_groups_say() -> None:
    old = Team(Avengers(groups=6), pair()).fit_sync(DEV).method
    members = [*pair(), knows("newcomer", "what")]
    new = run_sync(old.fit(DEV, Team(Avengers(), members).cast))
    before, after = old.found().arrays, new.found().arrays
    same = [k for k in before if k.startswith("space.") or k == "centres"]
    assert len(same) > 1 and all(np.array_equal(before[k], after[k]) for k in same)
    assert np.array_equal(before["worth"], after["worth"][:, :2]) and after["worth"].shape[1] == 3


def test_members_that_never_differ_and_few_questions() -> None:
    same = [Scripted("a", ["A"]), Scripted("b", ["A"])]
    assert accuracy(Team(Avengers(), same).fit_sync(DEV)) == 1
    one = DEV.__class__("dev", DEV.examples[:1])
    assert accuracy(Team(Avengers(groups=64), pair()).fit_sync(one)) == .5


VOTERS = [Scripted("x", ["A"]), Scripted("y", ["B"]), Scripted("z", lambda r, d: "ABB"[d % 3])]


def test_a_pure_vote_when_all_are_picked() -> None:
    team = Team(Avengers(top=3, draws=3), VOTERS).fit_sync(DEV)
    reply = ask(team, DEV[0].question)
    assert reply.reading == "B" and reply.usage.calls == 9, "three of x, three of y and two of z: five B against four A"
    assert ask(Team(Avengers(top=2, draws=1), VOTERS).fit_sync(DEV), DEV[0].question).usage.calls == 2


def test_a_vote_of_the_absent_is_passed_on() -> None:
    method = Team(Avengers(draws=2), [*pair(), Scripted("last", ["C"])]).fit_sync(DEV).method
    reply = ask(Team(method, [down("fruit"), knows("metal", "how"), Scripted("last", ["C"])]), "what jam is made of plum")
    assert reply.text and reply.absent[0].member == "fruit" and reply.usage.calls == 1
    alone = Team(Avengers(draws=3), [Scripted("z", lambda r, d: "ABB"[d % 3])]).fit_sync(DEV)
    assert ask(alone, "?").reading == "B", "one member agrees with itself"


def test_a_vote_has_no_target_in_money_and_needs_a_format() -> None:
    with pytest.raises(ConfigError, match="top: 1 and draws: 1"):
        Avengers(top=2, min_quality=.5)
    assert Avengers(top=2).compares and Avengers(draws=2).reads and not Avengers().reads
    with pytest.raises(Exception, match="answer format"):
        asyncio.run(Team(Avengers(top=2), pair()).fit_sync(DEV).generate(Request.of("what?")))
