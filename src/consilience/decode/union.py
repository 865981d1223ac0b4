"""Distributions over different vocabularies brought together: over their union, or in a space of common tokens.

Pure functions of tensors. GaC: Yu et al., arXiv 2406.12585. UniTE: Yao et al., arXiv 2410.03777. DeePEn: Huang et al.,
arXiv 2404.12715.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor

from consilience.decode.vocabulary import Vocabulary

END = 0
"""The column of the end of text, whichever id a member has for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """All pieces of some vocabularies, one column each; column 0 is the end of text."""

    pieces: tuple[bytes, ...]
    columns: tuple[Tensor, ...]
    """Per member int64 [vocabulary]: the column of an id; -1 for marks of the template and unused ids."""
    ids: tuple[Tensor, ...]
    """Per member int64 [columns]: the id of a column's piece; where the member has none, the id of the first piece that
    is not white space of the longest ones that make it up; -1 where there is none either."""
    own: tuple[Tensor, ...]
    """Per member bool [columns]: whether the member has the piece."""

    def __len__(self) -> int:
        return len(self.pieces)

    @classmethod
    def of(cls, vocabularies: Sequence[Vocabulary], device: torch.device | str = "cpu") -> Union:
        """The union, in order of first appearance."""
        places: dict[bytes, int] = {b"": END}
        for vocabulary in vocabularies:
            for piece in vocabulary.ids:
                places.setdefault(piece, len(places))
        pieces = tuple(places)
        columns, ids, own = [], [], []
        for v in vocabularies:
            columns.append(torch.tensor([END if i in v.ends else places.get(p, -1) if p and i not in v.special else -1
                                         for i, p in enumerate(v.pieces)], device=device))
            ids.append(torch.tensor([min(v.ends, default=-1), *(v.first(p) for p in pieces[1:])], device=device))
            own.append(torch.tensor([bool(v.ends), *(p in v.ids for p in pieces[1:])], device=device))
        return cls(pieces, tuple(columns), tuple(ids), tuple(own))


def spread(p: Tensor, columns: Tensor, width: int) -> Tensor:
    """Probabilities [rows, vocabulary] of one member over the union, [rows, width]; ids without a column are dropped."""
    used = columns >= 0
    return p.new_zeros(len(p), width).index_add_(1, columns[used], p[:, used])


def pool_union(logits: Sequence[Tensor], union: Union, weights: Tensor) -> Tensor:
    """GaC: log of the weighted mean of the members' probabilities over the union, [rows, columns].

    `logits` per member [rows, vocabulary], `weights` [members] or [members, rows].
    """
    weights = weights.reshape(len(logits), -1, 1)
    mixed = sum(w * spread(z.softmax(-1), c, len(union)) for z, c, w in zip(logits, union.columns, weights, strict=True))
    return torch.as_tensor(mixed).log()


def pool_top(logits: Sequence[Tensor], union: Union, k: int, weights: Tensor) -> Tensor:
    """UniTE: as `pool_union`, over the union of the members' k likeliest pieces only; the rest is ruled out.

    A piece that a member lacks has the logit of its first piece there, unless that one counts already.
    """
    weights = weights.reshape(len(logits), -1, 1)
    chosen = torch.zeros(len(logits[0]), len(union), dtype=torch.bool, device=logits[0].device)
    for z, columns in zip(logits, union.columns, strict=True):
        used = columns >= 0
        best = z.masked_fill(~used, -torch.inf).topk(min(k, int(used.sum())), dim=-1).indices
        chosen.scatter_(1, columns[best], True)
    mixed = sum(w * _aligned(z, union, m, chosen).softmax(-1) for m, (z, w) in enumerate(zip(logits, weights, strict=True)))
    return torch.as_tensor(mixed).masked_fill(~chosen, 0.0).log()


def _aligned(z: Tensor, union: Union, member: int, chosen: Tensor) -> Tensor:
    """One member's logits of the chosen columns, -inf elsewhere and where an id would count twice."""
    own, ids = union.own[member], union.ids[member]
    lent = chosen & ~own & (ids >= 0)
    places = torch.arange(len(ids), device=z.device).expand_as(chosen)
    taken = torch.full((len(z), z.shape[1]), len(ids), device=z.device)
    taken.scatter_reduce_(1, ids.clamp_min(0).expand_as(places), torch.where(lent, places, len(ids)), "amin")
    counted = torch.zeros(len(z), z.shape[1], dtype=torch.bool, device=z.device)
    counted.scatter_(1, ids[own].expand(len(z), -1), chosen[:, own])
    first = ids.clamp_min(0)
    lent &= (taken[:, first] == places) & ~counted[:, first]
    return z[:, first].masked_fill(~((chosen & own) | lent), -torch.inf)


def common(vocabularies: Sequence[Vocabulary], device: torch.device | str = "cpu") -> list[Tensor]:
    """Per member int64 [anchors]: the ids of the pieces that all members have, in one order."""
    shared = [p for p in vocabularies[0].ids if all(p in v.ids for v in vocabularies[1:])]
    return [torch.tensor([v.ids[p] for p in shared], dtype=torch.int64, device=device) for v in vocabularies]


def relative(embeddings: Tensor, anchors: Tensor, sharpness: float = 100.0) -> Tensor:
    """DeePEn's relative representation [vocabulary, anchors]: each token's likeness to the anchors, rows summing to 1."""
    unit = torch.nn.functional.normalize(embeddings.float(), dim=-1)
    alike = torch.nn.functional.normalize(unit @ unit[anchors].T, dim=-1)
    return torch.softmax(alike * sharpness, -1)


def adapt(logits: Tensor, target: Tensor, matrix: Tensor, rate: float = 0.15, steps: int = 5) -> Tensor:
    """DeePEn's search: logits [rows, vocabulary] moved so that their relative image comes close to `target`.

    `steps` of Adam from `logits` at a rate falling along a cosine to a quarter minimise KL(target, softmax(z) matrix);
    each row's best z is kept, the start included.
    """
    z = best = logits.float()
    least = torch.full((len(z),), torch.inf, device=z.device)
    first, second = torch.zeros_like(z), torch.zeros_like(z)
    for step in range(steps + 1):
        p = z.softmax(-1)
        image = (p @ matrix).clamp_min(1e-30)
        loss = torch.special.xlogy(target, target / image).sum(-1)
        best = torch.where((loss < least)[:, None], z, best)
        least = torch.minimum(loss, least)
        slope = -(target / image) @ matrix.T
        slope = p * (slope - (p * slope).sum(-1, keepdim=True))
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        pace = rate * (0.625 + 0.375 * cos(pi * step / max(steps, 1)))
        n = step + 1
        z = z - pace * (first / (1 - 0.9**n)) / ((second / (1 - 0.999**n)).sqrt() + 1e-8)
    return best
