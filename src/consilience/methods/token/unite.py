"""UniTE: only the union of the members' likeliest tokens is aligned and averaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Members, write_together
from consilience.learn.unions import OverUnion
from consilience.method import Count, Level, Method
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class Unite(Method):
    """Take the union of every member's `top` likeliest pieces, give each piece its logit (or that of its first piece) in every
    member, and average the probabilities over that union.

    For members with different tokenizers and like strength: the authors advise members within a tenth of the best one's
    dev score, whose answers are of like length. Cheaper and less noisy than averaging over whole vocabularies.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Determine-Then-Ensemble (UniTE), arXiv 2410.03777"
    cost: ClassVar = "N"
    needs: ClassVar = (NextTokens,)
    mixed: ClassVar = True

    top: Count = 10
    """Likeliest tokens of each member that count."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode all with equal weights, best on dev first; when they cannot, that one answers alone."""
        cast = members.ranking
        return await write_together(cast, request, OverUnion((1 / len(cast),) * len(cast), self.top), cast)
