"""Greedy soup: members join the average one by one, as long as dev does not get worse. Wortsman et al. 2022."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from consilience.learn.merging import Merging, dev_score, merge_models
from consilience.merge.rules import Linear
from consilience.method import Cast, Dev
from consilience.model import Model
from consilience.registry import register


@register
@dataclass(frozen=True)
class GreedySoup(Merging):
    """Average those members that, tried from the best on dev down, do not lower the dev score of the average.

    The first is the best on dev (ties: team order), so the soup is never worse there. A soup of one is that member as
    it is. Dev is answered with the same requests each time.
    """

    paper: ClassVar = "Model soups, arXiv 2203.05482"
    must_fit: ClassVar = True

    margin: float = 0.0
    """What a member must add to the dev score to be kept, against fitting noise; 0 keeps ties, as in the paper."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Add the members, best on dev first, that do not make the soup worse on dev; `trials` are the scores with each."""
        scores = [await dev_score(dev, m) for m in cast.members] if cast.standing is None else list(cast.standing)
        first, *others = sorted(range(len(scores)), key=lambda i: -scores[i])
        soup, best, trials = [first], scores[first], []
        for i in others:
            score = await dev_score(dev, await self._soup(cast, [*soup, i]))
            trials.append({"member": cast.members[i].card.name, "score": score})
            if score >= best + self.margin:
                soup, best = [*soup, i], score
        return self.with_learned({"soup": soup, "score": best, "trials": trials})

    async def make(self, cast: Cast) -> Model:
        """The mean of the members that were kept."""
        return await self._soup(cast, self.found().values["soup"])

    async def _soup(self, cast: Cast, soup: Sequence[int]) -> Model:
        if len(soup) == 1:
            return cast.members[soup[0]]
        return await merge_models(Linear(), [cast.members[i] for i in sorted(soup)], name="greedy-soup")
