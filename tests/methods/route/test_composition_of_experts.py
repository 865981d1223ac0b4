"""Composition of experts: kinds, the budget of parameters, unsure questions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consilience.errors import ConfigError
from consilience.methods.route.composition_of_experts import CompositionOfExperts
from consilience.model import Card
from consilience.team import Team
from tests.members import Scripted
from tests.methods.route.experts import DEV, accuracy, ask, knows, pair, with_skills


class Sized(Scripted):
    """A member of 7 billion parameters."""

    @property
    def card(self) -> Card:
        return replace(super().card, parameters=7_000_000_000)


def sized() -> list[Scripted]:
    """Two experts, and one that is right on both half the time."""
    half = Sized("half", lambda r, d: "A" if len(r.question) % 2 else "B")
    return [Sized(m.name, m.answers) for m in pair()] + [half]


@pytest.mark.parametrize("dev", [DEV, with_skills(DEV)])
def test_the_expert_of_the_kind_answers(dev) -> None:  # type: ignore[no-untyped-def]
    team = Team(CompositionOfExperts(k=3, groups=4, errors=0.5), pair()).fit_sync(dev)
    assert accuracy(team) > .9
    assert ask(team, "what jam is made of plum").note["route"] == "fruit"


def test_parameters_bound_the_experts_in_use() -> None:
    def routes(budget: float | None) -> set[str]:
        team = Team(CompositionOfExperts(k=3, parameters=budget), sized()).fit_sync(with_skills(DEV))
        return {str(ask(team, e.question).note["route"]) for e in DEV}

    assert routes(None) == routes(14.5) == {"fruit", "metal"}
    assert len(routes(7)) == 1
    with pytest.raises(ConfigError, match="no member fits into 6 parameters"):
        routes(6)
    with pytest.raises(ConfigError, match="that of fruit, metal is unknown"):
        Team(CompositionOfExperts(parameters=7), pair()).fit_sync(DEV)


def test_unsure_questions_go_to_the_best_of_all() -> None:
    members = [*pair(), knows("other", "how")]
    more = DEV.__class__("dev", DEV.examples[1::2] + DEV.examples[:12:2])

    def routes(theta: float) -> set[str]:
        team = Team(CompositionOfExperts(k=3, theta=theta), members).fit_sync(with_skills(more))
        return {str(ask(team, e.question).note["route"]) for e in DEV}

    assert routes(1.1) == {"metal"}, "a unanimous neighbourhood has confidence 1"
    assert routes(0.0) == {"metal", "fruit"}
