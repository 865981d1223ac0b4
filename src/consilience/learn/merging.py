"""Teams whose members become one checkpoint: what all merging methods share."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, Self

from consilience.errors import TeamError
from consilience.gather import Members
from consilience.merge.plan import Recipe
from consilience.merge.rules import Rule, TaskVectors
from consilience.merge.source import Source
from consilience.merge.write import merged
from consilience.method import Cast, Dev, Last, Level, Method, Role, Share
from consilience.model import Model, Weights
from consilience.types import Request


@dataclass(frozen=True)
class Merging(Method):
    """A method whose team answers with one merged model, made on first use and kept in the cache of merges."""

    level: ClassVar = Level.WEIGHT
    cost: ClassVar = "1"
    needs: ClassVar = (Weights,)

    @abstractmethod
    async def make(self, cast: Cast) -> Model:
        """The merged model."""

    async def run(self, request: Request, members: Members) -> Last:
        """The team asks the merged model; without one, the best member."""
        return Last(members.best, request)


def weights_of(model: Model) -> Weights:
    """The power Weights, which the binding has checked."""
    power = model.power(Weights)
    if power is None:
        raise TeamError(f"{model.card.name} gives no access to its weights; local checkpoints (hf:...) do")
    return power


async def merge_models(rule: Rule, models: Sequence[Model], *, weights: Sequence[float] = (), base: Model | None = None,
                       seed: int = 0, name: str = "merged") -> Model:
    """The merge of `models` on the host of the base or first one, from the cache where it is there."""
    def work() -> Path:
        """The merge itself, for a thread of its own: the folder of the merged checkpoint."""
        parts = [(weights_of(m).path, w) for m, w in zip(models, weights or [1.0] * len(models), strict=True)]
        if base is None:
            return merged(Recipe(rule, tuple(p for p, _ in parts), tuple(w for _, w in parts), seed=seed))
        # Random masks go by place: an order by content makes the merge independent of the order of members.
        parts.sort(key=lambda part: sorted(Source(part[0]).hashes().items()))
        return merged(Recipe(rule, tuple(p for p, _ in parts), tuple(w for _, w in parts), weights_of(base).path, seed=seed))

    return weights_of(base if base is not None else models[0]).sibling(await asyncio.to_thread(work), name)


async def dev_score(dev: Dev, model: Model) -> float:
    """Mean dev score of one model."""
    [row] = await dev.replies([model])
    return sum(scored.score for scored in row) / max(1, len(row))


GRID = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Scales tried on dev."""


@dataclass(frozen=True)
class TaskVectorMerge(Merging):
    """The base plus `scale` times what its rule makes of the members' differences from it."""

    roles: ClassVar = (Role("base", (Weights,), "", "the model that all members were fine-tuned from"),)
    drop: ClassVar[Literal["none", "magnitude", "random"]] = "none"
    elect: ClassVar[bool] = False
    usual: ClassVar[float] = 0.4

    scale: float | None = None
    """Factor of the sum; none: the best of 0.2, 0.4, ..., 1 on dev (without a fit the usual one of the method)."""
    weights: tuple[float, ...] = ()
    """Weights of the members' task vectors in team order; none: 1 each."""
    density: Share = 1.0
    """Share of each task vector that is kept (TIES, DARE)."""
    seed: int = 0
    """Seed of random masks (DARE)."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for another number of weights than members, and for a density of 0."""
        if self.weights and len(self.weights) != len(cast.members):
            raise TeamError(f"{self.name} got {len(self.weights)} weights for {len(cast.members)} members")
        if not self.density:
            raise TeamError(f"{self.name} with density 0 would keep nothing of any member")

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Choose `scale` on dev by merging at each value of the grid; with one given nothing is learned."""
        if self.scale is not None:
            return self
        scores = {s: await dev_score(dev, await replace(self, scale=s).make(cast)) for s in GRID}
        return self.with_learned({"scale": max(scores, key=lambda s: scores[s]), "scores": [*scores.values()]})

    async def make(self, cast: Cast) -> Model:
        """The base plus the members' task vectors, at the scale that was given, learned or is usual."""
        learned = self.learned.values["scale"] if self.learned is not None else self.usual
        rule = TaskVectors(learned if self.scale is None else self.scale, self.drop, self.density, self.elect)
        return await merge_models(rule, cast.members, weights=self.weights, base=cast.roles["base"][0], seed=self.seed,
                                  name=self.name)
