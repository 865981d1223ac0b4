"""CoS: logit fusion at the price of drafts; the members take turns at proposing and checking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.decode.policy import Speculation
from consilience.errors import TeamError
from consilience.gather import Members, write_together
from consilience.learn.mixing import Pooled
from consilience.method import Cast, Count, Level, Method, Share
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class CollaborativeSpeculation(Method):
    """Write what a mean of the members' probabilities would, in distribution: the cheapest member drafts, the others check, and
    after a draft that stood whole the checker proposes the next token.

    The fused text at fewer forwards of the dear members; it never needs more than plain fusion. It pays where the
    members agree often and differ in cost; on tiny models it saves no time. Deviations: means of probabilities alone, no
    contrast of two members; the checker proposes one token.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "CoS (Speculative Ensemble), arXiv 2502.01662"
    cost: ClassVar = "N"
    needs: ClassVar = (NextTokens,)
    min_members: ClassVar = 2

    share: Share = 0.5
    """Weight of the drafting member; the others share the rest."""
    length: Count = 5
    """Most tokens of a draft."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for a share of 0 or 1, where a single member would decode."""
        if not 0 < self.share < 1:
            raise TeamError(f"{self.name}: share must lie between 0 and 1, got {self.share}; at the ends a single member decodes")

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode all together, the worst on dev drafting first; when they cannot, the best on dev answers alone."""
        *others, drafter = members.ranking
        weights = (*((1 - self.share) / len(others),) * len(others), self.share)
        scheme = Speculation(Pooled("probabilities", weights, 1.0), len(others), self.length, turns=True)
        return await write_together([*others, drafter], request, scheme, members.ranking)
