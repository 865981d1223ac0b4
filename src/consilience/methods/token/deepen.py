"""DeePEn: distributions are averaged in a space of common tokens, and the main model is moved towards that mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Members, write_together
from consilience.learn.unions import Relative
from consilience.method import Count, Level, Method
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class Deepen(Method):
    """Describe each token by its likeness to the tokens that all members share, average the members' distributions in that
    space, and search for logits of the main member (the best on dev) whose image matches the mean.

    For members with different tokenizers and a main member that is the best of them. `rate` says how far its logits move.
    Members that share fewer than `anchors` tokens are refused: then the main member answers alone, and the note says so.
    Deviations: Adam without weight decay; the search may move the end of the text too, which the source leaves to the main
    member's own logits; fewer anchors suffice than the thousand that real vocabularies should share.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "DeePEn, arXiv 2404.12715"
    cost: ClassVar = "N"
    needs: ClassVar = (NextTokens,)
    mixed: ClassVar = True

    rate: float = 0.15
    """Learning rate of the search, 0.05 to 0.3; 0 is the main member alone."""
    steps: Count = 5
    """Steps of the search."""
    anchors: Count = 100
    """Fewest common tokens; real vocabularies share ten thousands."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode all together, best on dev first; when they cannot, that one answers alone."""
        cast = members.ranking
        scheme = Relative((1 / len(cast),) * len(cast), self.rate, self.steps, self.anchors)
        return await write_together(cast, request, scheme, cast)
