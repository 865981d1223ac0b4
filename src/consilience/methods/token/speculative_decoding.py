"""Speculative decoding: a small model drafts, a large one checks several tokens at once; the text is the large one's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.decode.policy import Speculation
from consilience.gather import Members, write_together
from consilience.method import Count, Level, Method, Role, Share
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class SpeculativeDecoding(Method):
    """Write as the target would, with fewer of its forwards: the draft model writes ahead, the target checks.

    A drafted token stays with probability min(1, p / q); otherwise one is drawn from what the target has more of. So
    every text has the probability that the target gives it, and greedy text is the target's own (but for near-ties,
    because several tokens at once are summed in another order). The note holds `drafted`, `kept`, and the forwards
    `asked` of each. It pays where the target's forward costs several of the draft's; on tiny models it does not. Both have
    one vocabulary.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Leviathan et al., arXiv 2211.17192; Chen et al., arXiv 2302.01318"
    cost: ClassVar = "2"
    roles: ClassVar = (Role("target", (NextTokens,), "best", "whose text is written"),
                       Role("draft", (NextTokens,), "worst", "writes ahead, cheaply"))

    length: Count = 4
    """Most tokens of a draft."""
    sure: Share = 0.0
    """The draft ends before a token of which the draft model is less sure than this."""
    adaptive: bool = False
    """Whether drafts grow by 2 when a whole one stayed and shrink by 1 otherwise, up to twice `length`."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode target and draft together; when they cannot, the target answers alone."""
        from consilience.decode.tensors import Only
        target, draft = members.role("target"), members.role("draft")
        scheme = Speculation(Only(0), 1, self.length, self.sure, adaptive=self.adaptive)
        return await write_together([target, draft], request, scheme, [target, *members.ranking])
