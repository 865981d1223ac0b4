"""Trying several settings of a method on dev, as teams, so that a target can choose among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from consilience.errors import ConfigError
from consilience.learn.goals import Aimed, Trials, costs_known
from consilience.learn.table import Table
from consilience.method import Cast, Dev, Method
from consilience.reading.text import squeeze
from consilience.team import Team

T = TypeVar("T")


def team(method: Method, cast: Cast) -> Team:
    """A cast with another method."""
    roles: dict[str, Any] = {name: models for name, models in cast.roles.items() if models}
    return Team(method, cast.members, standing=cast.standing, **roles)


async def trials(dev: Dev, cast: Cast, settings: Sequence[Aimed]) -> Trials:
    """What a method would do on dev with each of its settings. ConfigError when dev is empty, or when the target speaks
    of money and a member's cost is unknown."""
    alone = await Table.of(dev, cast.members)
    costs_known(settings[0], alone.costs, alone.names)
    table = await Table.of(dev, [team(setting, cast) for setting in settings])
    return Trials(table.scores.T, table.costs.T, table.seconds.T, alone.scores[:, alone.best])


async def best(dev: Dev, cast: Cast, methods: Mapping[T, Method]) -> T:
    """The key of the method with the highest dev score, the first of equal ones."""
    scores = {key: sum(await dev.evaluate(team(method, cast))) for key, method in methods.items()}
    return max(scores, key=lambda key: scores[key])


def some(dev: Dev, most: int) -> Dev:
    """A part of dev with about `most` questions, of the same mix; all where there are no more. ConfigError for none."""
    distinct = {e.cluster or squeeze(e.question) for e in dev.examples}
    if not distinct:
        raise ConfigError("there are no dev questions to learn from")
    parts = min(-(-len(dev.examples) // most), len(distinct))
    return dev.folds(parts)[0] if parts > 1 else dev
