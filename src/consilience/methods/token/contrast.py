"""DExperts: a base model's logits are moved by what an expert likes and an anti-expert does not. Liu et al. 2021."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, ClassVar

from consilience.gather import Members, write_together
from consilience.method import Level, Method, Role, Share
from consilience.model import Combiner, NextTokens
from consilience.registry import register
from consilience.types import Reply, Request

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Steered:
    """z + alpha (z_expert - z_anti) on the base's own top-p nucleus, and on nothing else."""

    alpha: float
    nucleus: float
    plausible: float

    def combine(self, logits: Tensor) -> Tensor:
        """[base, expert, anti-expert; rows, vocabulary] to [rows, vocabulary]."""
        base, expert, anti = logits.float()
        scores = base + self.alpha * (expert - anti)
        keep = base >= base.amax(-1, keepdim=True) + log(self.plausible) if self.plausible else base == base
        if self.nucleus < 1:
            ordered, places = base.softmax(-1).sort(dim=-1, descending=True, stable=True)
            before = ordered.cumsum(-1) - ordered
            keep &= (before < self.nucleus).gather(-1, places.argsort(-1))
        return scores.masked_fill(~keep, float("-inf"))

    def without(self, gone: frozenset[int]) -> Combiner | None:
        """The base alone; None when that has left."""
        from consilience.decode.tensors import Alone
        return None if 0 in gone else Alone()


@register
@dataclass(frozen=True)
class Contrast(Method):
    """Decode with the base's logits plus `alpha` times the difference of expert and anti-expert (DExperts).

    Unnamed roles are filled from the members: base and expert by the best on dev, anti-expert by the worst, which is
    MoCo's contrast of top and bottom. `alpha=1, nucleus=1` with a tuned and an untuned small model as expert and
    anti-expert is proxy tuning. When the three cannot decode together, the base answers alone. Deviation: `plausible`
    (from contrastive decoding) is offered beside the nucleus.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "DExperts, arXiv 2105.03023; proxy tuning, arXiv 2401.08565"
    cost: ClassVar = "3"
    roles: ClassVar = (Role("base", (NextTokens,), "best", "the model that is steered"),
                       Role("expert", (NextTokens,), "best", "shows what is wanted"),
                       Role("anti", (NextTokens,), "worst", "shows what is not wanted"))

    alpha: float = 2.0
    """Strength; 0 is the base on its nucleus."""
    nucleus: Share = 0.9
    """Share of the base's probability that may be chosen from; 1 does not restrict."""
    plausible: Share = 0.0
    """Tokens below this share of the base's top probability are never chosen; 0 does not restrict."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode the three together; when they cannot, the base answers alone."""
        cast = [members.role("base"), members.role("expert"), members.role("anti")]
        scheme = Steered(self.alpha, self.nucleus, self.plausible)
        return await write_together(cast, request, scheme, [cast[0], *members.ranking])
