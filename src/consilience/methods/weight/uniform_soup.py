"""Uniform soup: the mean of the members' weights is one model. Wortsman et al. 2022."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.errors import TeamError
from consilience.learn.merging import Merging, merge_models
from consilience.merge.rules import Linear
from consilience.method import Cast
from consilience.model import Model
from consilience.registry import register


@register
@dataclass(frozen=True)
class UniformSoup(Merging):
    """Average the members' weights, tensor by tensor. They must be fine-tunes of one model.

    Averages of models from different initialisations are noise, which nothing here can tell beforehand.
    """

    paper: ClassVar = "Model soups, arXiv 2203.05482"

    weights: tuple[float, ...] = ()
    """Weights of the members in team order, divided by their sum (negative ones extrapolate); none: equal."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for another number of weights than members, and for weights that sum to 0."""
        if self.weights and (len(self.weights) != len(cast.members) or sum(self.weights) == 0):
            raise TeamError(f"uniform-soup needs {len(cast.members)} weights whose sum is not 0, got {self.weights}")

    async def make(self, cast: Cast) -> Model:
        """The weighted mean of all members."""
        return await merge_models(Linear(), cast.members, weights=self.weights, name="uniform-soup")
