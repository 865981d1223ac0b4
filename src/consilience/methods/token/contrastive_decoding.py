"""Contrastive decoding: what an expert likes more than an amateur does, among the tokens that the expert finds plausible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from consilience.gather import Members, write_together
from consilience.learn.contrasts import Contrasted
from consilience.method import Level, Method, Role, Share
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class ContrastiveDecoding(Method):
    """Prefer tokens that the expert likes more than a weak amateur does, because the amateur exposes habits that both share.

    `logits` decodes (1 + beta) expert - beta amateur, the form for reasoning; `difference` is the original log-ratio, for
    open text. Only tokens with at least `alpha` of the expert's top probability may be chosen. Expert and amateur must
    be of one vocabulary; the amateur best is much smaller. When they cannot decode together, the expert answers alone.
    Deviations: no temperature of the amateur's own; `difference` is drawn from as any other scores, without a beam search.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Contrastive Decoding, arXiv 2210.15097; for reasoning: arXiv 2309.09117"
    cost: ClassVar = "2"
    roles: ClassVar = (Role("expert", (NextTokens,), "best", "writes"), Role("amateur", (NextTokens,), "worst", "shows bad habits"))

    form: Literal["logits", "difference"] = "logits"
    """How the two are contrasted."""
    alpha: Share = 0.1
    """Share of the expert's top probability below which a token is never chosen; 1 leaves its likeliest alone."""
    beta: float = 0.5
    """Strength of the contrast in the form `logits`."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode expert and amateur together; when they cannot, the expert answers alone."""
        cast = [members.role("expert"), members.role("amateur")]
        return await write_together(cast, request, Contrasted(self.alpha, self.beta, self.form), [cast[0], *members.ranking])
