"""Policies that mix distributions over members' different vocabularies; see `decode.union`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor


def _weights(weights: Sequence[float], sight: Sight) -> Tensor:
    """Weights [members, rows], those that have left a row taken out."""
    import torch

    w = torch.tensor(weights, device=sight.known.device)[:, None].masked_fill(sight.gone, 0.0)
    return w / w.sum(0).clamp_min(1e-12)


@dataclass(frozen=True)
class OverUnion(Policy):
    """Probabilities averaged over the union of all vocabularies (GaC), or over that of each member's `top` pieces (UniTE).

    With `gate` in (0, 1], member 0 writes alone wherever its likeliest token has at least that probability.
    """

    weights: tuple[float, ...]
    top: int = 0
    gate: float = 0.0
    mixed: ClassVar[bool] = True

    def prepare(self, material: Material) -> Any:
        """The union of the vocabularies."""
        from consilience.decode.union import Union

        return Union.of(material.vocabularies, material.embeddings[0].device)

    def decide(self, sight: Sight) -> Move:
        """The gate first; where it is not sure, everybody."""
        import torch
        from consilience.decode.union import pool_top, pool_union

        asked = sight.known | sight.gone
        if self.gate:
            ask = ~asked
            sure = sight.known[0] & (sight.logits[0].softmax(-1).amax(-1) >= self.gate)
            ask[1:] &= (asked[0] & ~sure)[None]
        else:
            ask, sure = ~asked, torch.zeros_like(asked[0])
        if ask.any():
            return Move(ask)
        weights, union = _weights(self.weights, sight), sight.prepared
        pool = pool_top(sight.logits, union, self.top, weights) if self.top else pool_union(sight.logits, union, weights)
        return Move(author=torch.where(sure, 0, -1), scores=pool, union=union)


@dataclass(frozen=True)
class Relative(Policy):
    """DeePEn: the main member's (0) logits, moved until their image in the space of common tokens is near the mean one."""

    weights: tuple[float, ...]
    rate: float
    steps: int
    anchors: int
    mixed: ClassVar[bool] = True

    def prepare(self, material: Material) -> Any:
        """The union of the vocabularies, and each member's relative representation [vocabulary, anchors]."""
        from consilience.decode.union import Union, common, relative

        device = material.embeddings[0].device
        shared = common(material.vocabularies, device)
        if len(shared[0]) < self.anchors:
            raise ModelError(f"the members share {len(shared[0])} tokens, fewer than the {self.anchors} anchors that are wanted")
        relatives = [relative(e, ids) for e, ids in zip(material.embeddings, shared, strict=True)]
        return Union.of(material.vocabularies, device), relatives

    def decide(self, sight: Sight) -> Move:
        """The main member's adapted distribution, over its own pieces; where that has left a row, nothing moves it."""
        import torch
        from consilience.decode.union import adapt, spread

        asked = sight.known | sight.gone
        if not asked.all():
            return Move(~asked)
        union, relatives = sight.prepared
        images = torch.stack([z.softmax(-1) @ m for z, m in zip(sight.logits, relatives, strict=True)])
        target = (_weights(self.weights, sight)[..., None] * images).sum(0)
        adapted = adapt(sight.logits[0], target, relatives[0], self.rate, self.steps)
        return Move(scores=spread(adapted.softmax(-1), union.columns[0], len(union)).log(), union=union)
