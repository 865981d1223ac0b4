"""Speculative cascades: a draft's tokens stand wherever the small model is good enough, not only where they are the large one's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.decode.policy import Speculation
from consilience.gather import Members, write_together
from consilience.learn.speculations import Deferring, RollingBack
from consilience.method import Count, Level, Method, Role, Share
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request

ROLES = (Role("target", (NextTokens,), "best", "the large model, which checks"),
         Role("draft", (NextTokens,), "worst", "the small model, which writes ahead"))


@register
@dataclass(frozen=True)
class SpeculativeCascade(Method):
    """Draft with the small model, check with the large one, and draw each token from the small one's distribution unless its
    top probability falls short of the large one's by more than `alpha` times their distance.

    Quality between the two models (sometimes above both) for fewer rejected drafts than speculative decoding. The
    larger `alpha`, the fewer tokens are the large model's. On tiny models it saves no time.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Faster Cascades via Speculative Decoding, arXiv 2405.19261"
    cost: ClassVar = "2"
    roles: ClassVar = ROLES

    alpha: float = 0.5
    """How much worse the small model may be before the large one writes, from 0."""
    length: Count = 5
    """Most tokens of a draft."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode target and draft together; when they cannot, the target answers alone."""
        cast = [members.role("target"), members.role("draft")]
        scheme = Speculation(Deferring(self.alpha), 1, self.length)
        return await write_together(cast, request, scheme, [cast[0], *members.ranking])


@register
@dataclass(frozen=True)
class Bild(Method):
    """The small model writes until it is unsure; the large one reads the span, and where it would be too surprised by a token
    it rolls back to it and writes that token itself.

    For speed at a small loss of quality. `sure` (fallback) and `surprise` (rollback) are to be tuned on dev.
    """

    name: ClassVar = "bild"
    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Big Little Decoder (BiLD), arXiv 2302.07863"
    cost: ClassVar = "2"
    roles: ClassVar = ROLES

    sure: Share = 0.6
    """The small model hands over before a token of which it is less sure than this."""
    surprise: float = 2.0
    """Nats of loss under the large model from which on a token is rolled back."""
    length: Count = 8
    """Most tokens between two checks."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode target and draft together; when they cannot, the target answers alone."""
        cast = [members.role("target"), members.role("draft")]
        scheme = Speculation(RollingBack(self.surprise, self.sure), 1, self.length, self.sure)
        return await write_together(cast, request, scheme, [cast[0], *members.ranking])
