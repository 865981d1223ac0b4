"""Guarded query routing: what is rejected, and what becomes of it."""

from __future__ import annotations

import pytest

from consilience.methods.route.guarded_query import GuardedQuery
from consilience.team import Team
from consilience.types import Reply
from tests.members import Scripted, down
from tests.methods.route.experts import DEV, TEST, accuracy, ask, pair, with_skills

SKILLED = with_skills(DEV)
FOREIGN = "Wie viele Einwohner hat Lissabon?"


def team(method: GuardedQuery, **roles: Scripted) -> Team:
    return Team(method, pair(), **roles).fit_sync(SKILLED)


def rejected(method: GuardedQuery, questions: list[str]) -> list[bool]:
    made = team(method)
    return [bool(ask(made, q).note["rejected"]) for q in questions]


def test_known_kinds_go_to_their_experts() -> None:
    made = team(GuardedQuery(delta=0.0))
    assert accuracy(made) > .9
    reply = ask(made, TEST[0].question)
    assert (reply.note["domain"], reply.note["rejected"], reply.note["route"]) == ("fruit", False, "fruit")


def test_the_foreign_is_refused_at_no_cost() -> None:
    reply: Reply = ask(team(GuardedQuery(on_reject="refuse")), FOREIGN)
    assert reply.text == GuardedQuery().refusal and reply.usage.calls == 0 and reply.cost == 0 and reply.note["rejected"]
    assert reply.reading is None, "a refusal is read as no answer"


def test_or_deferred_to_the_generalist() -> None:
    named = ask(team(GuardedQuery(), generalist=Scripted("sage", ["D"])), FOREIGN)
    assert named.text == "D" and named.note["route"] == "sage" and named.note["rejected"]
    assert ask(team(GuardedQuery()), FOREIGN).note["route"] in ("fruit", "metal"), "by default the best member"
    silent = ask(team(GuardedQuery(), generalist=down("sage")), FOREIGN)
    assert silent.text and silent.note["fallback"] is True


def test_thresholds() -> None:
    known = [e.question for e in TEST][:6]
    assert not any(rejected(GuardedQuery(theta=0.0), known)) and rejected(GuardedQuery(theta=0.0), ["", "  "]) == [True, True]
    assert all(rejected(GuardedQuery(theta=1.1), known))
    some = [*known, "what is iron made of", "a pot", "how", FOREIGN]
    counts = [sum(rejected(GuardedQuery(theta=t), some)) for t in (0.0, .1, .2, .4, .6, 1.0)]
    assert counts == sorted(counts) and counts[0] < counts[-1], "rejection grows with theta"


@pytest.mark.parametrize("guard", ["centroid", "wide"])
def test_few_known_questions_are_rejected(guard: str) -> None:
    found = rejected(GuardedQuery(guard=guard, width=16), [e.question for e in TEST])  # type: ignore[arg-type]
    assert sum(found) <= 5


def test_one_member_is_guarded_too() -> None:
    alone = Team(GuardedQuery(on_reject="refuse"), pair()[:1]).fit_sync(SKILLED)
    assert ask(alone, FOREIGN).note["rejected"] and ask(alone, DEV[0].question).text == "A"


def test_groups_stand_for_domains_where_dev_names_none() -> None:
    made = Team(GuardedQuery(groups=2, delta=0.0), pair()).fit_sync(DEV)
    assert accuracy(made) > .9 and str(ask(made, DEV[0].question).note["domain"]).startswith("group")
