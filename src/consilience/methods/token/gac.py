"""GaC: every token is drawn from the mean of the members' distributions over the union of their vocabularies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Members, write_together
from consilience.learn.unions import OverUnion
from consilience.method import Level, Method, Share
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class Gac(Method):
    """Map each member's probabilities into the union of all vocabularies, average them there, and draw a piece of text.

    For members with different tokenizers; with one tokenizer it is the mean of probabilities. A short piece of one
    tokenizer competes with a long one of another, so members of like granularity suit each other best. With `gate` the best
    member on dev writes alone wherever it is sure, and the others are not run there (the paper's threshold: 0.5).
    Deviations: without a gate unless one is given; equal weights.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "GaC, arXiv 2406.12585"
    cost: ClassVar = "N"
    needs: ClassVar = (NextTokens,)
    mixed: ClassVar = True

    gate: Share = 0.0
    """Probability of its likeliest token from which on the best member writes alone; 0: never."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode all with equal weights, best on dev first; when they cannot, that one answers alone."""
        cast = members.ranking
        return await write_together(cast, request, OverUnion((1 / len(cast),) * len(cast), gate=self.gate), cast)
