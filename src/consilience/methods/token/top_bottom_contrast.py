"""Top and bottom: the best members' logits against the worst members'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.errors import TeamError
from consilience.gather import Members, write_together
from consilience.learn.contrasts import Contrasted
from consilience.method import Cast, Count, Level, Method, Share
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class TopBottomContrast(Method):
    """Push the best member's logits along the difference of the `k` best members and the `k` worst on dev.

    The pool supplies its own anti-experts. Needs dev scores; ties go to the cheaper, then to team order. Deviations: a
    plausibility mask (`alpha`), which the source lacks (0 leaves it out); log-probabilities instead of raw logits.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "MoCo (logit contrastive), arXiv 2601.21257"
    cost: ClassVar = "2*k"
    needs: ClassVar = (NextTokens,)
    min_members: ClassVar = 2

    k: Count = 1
    """Members on each side."""
    strength: float = 0.2
    """Factor of the difference; 0 is the best member."""
    alpha: Share = 0.1
    """Share of the best member's top probability below which a token is never chosen."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for fewer than 2k members."""
        if 2 * self.k > len(cast.members):
            raise TeamError(f"{self.name} with k={self.k} needs at least {2 * self.k} members, got {len(cast.members)}")

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode the k best and the k worst on dev together; when they cannot, the best answers alone."""
        ranking = members.ranking
        scheme = Contrasted(self.alpha, self.strength, top=self.k)
        return await write_together([*ranking[:self.k], *ranking[-self.k:]], request, scheme, ranking)
