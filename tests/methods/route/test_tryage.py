"""Tryage: flags weigh and limit members, and are never shown to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import numpy as np
import pytest

from consilience.errors import ConfigError, TeamError
from consilience.learn.flags import Flags
from consilience.methods.route.tryage import Tryage
from consilience.model import Card
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted
from tests.methods.questions import split

WORDS = [f"question {i}" for i in range(20)]
DEV = split([(q, "A") for q in WORDS])


@dataclass
class Sized(Scripted):
    parameters: int | None = None

    @property
    def card(self) -> Card:
        return replace(super().card, parameters=self.parameters)


def pair() -> list[Sized]:
    return [Sized("small", lambda r, d: "A" if int(r.question.split()[1]) % 2 else "B", seconds=.5, parameters=100_000_000),
            Sized("large", ["A"], seconds=2.0, parameters=1_000_000_000)]


def ask(team: Team, text: str) -> Reply:
    return asyncio.run(team.generate(Request.of(text, form="answer", format=DEV[0].request.format)))[0]


def test_the_switch_of_the_catalogue() -> None:
    losses, sizes = np.array([1.2, 1.0]), {"size": [.1, 1.0]}
    picks = [int((losses + np.array(Flags({"size": w}).penalties(sizes))).argmin()) for w in (0, .2221, .2223, .5)]
    assert picks == [1, 1, 0, 0]
    assert (losses + np.array(Flags({"size": .5}).penalties(sizes))).tolist() == pytest.approx([1.25, 1.5])


def test_flags_move_the_choice_and_are_taken_out() -> None:
    members = pair()
    team = Team(Tryage(), members).fit_sync(DEV)
    asked = {text: ask(team, f"question 4 {text}").note["route"] for text in
             ("", "[flag: size 0.1]", "[flag: size 3]", "[flag: max size 500M]", "[flag: latency 3]", "[flag: max latency 1]")}
    assert list(asked.values()) == ["large", "large", "small", "small", "small", "small"]
    assert not any("flag" in prompt for m in members for prompt in m.prompts)


def test_mean_size_never_rises_with_its_weight() -> None:
    team = Team(Tryage(), pair()).fit_sync(DEV)
    sizes = [np.mean([ask(team, f"{q} [flag: size {w}]").note["route"] == "large" for q in WORDS[:8]]) for w in (0, .3, .6, 2)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[-1]


def test_flags_that_cannot_be_kept() -> None:
    team = Team(Tryage(), pair()).fit_sync(DEV)
    assert ask(team, "question 4 [flag: colour 3]").note["ignored"] == ["colour 3"]
    with pytest.raises(TeamError, match="max size 1000, and theirs are 1e\\+08, 1e\\+09"):
        ask(team, "question 4 [flag: max size 1k]")
    with pytest.raises(ConfigError, match="negative"):
        ask(team, "question 4 [flag: size -1]")
    alone = Team(Tryage(), pair()[:1]).fit_sync(DEV)
    assert ask(alone, "question 4 [flag: size 1]").note["route"] == "small"
