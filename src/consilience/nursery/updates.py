"""Members that are an update of the base: LoRA factors, and updates that are trained to survive merging."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from consilience.nursery.net import Params, Shape, causal, hidden, is_matrix, padded
from consilience.nursery.train import Blend, Row


def zero_updates(root: Params) -> Params:
    """An update of every hidden matrix, at nothing."""
    return {name: torch.zeros_like(p) for name, p in root.items() if is_matrix(name)}


def input_sums(root: Params, shape: Shape, rows: Sequence[Row], size: int = 32) -> Params:
    """For every hidden matrix, the sum of `x x^T` over the inputs `x` that it gets while `rows` are read."""
    sums = {name: torch.zeros(p.shape[1], p.shape[1]) for name, p in root.items() if is_matrix(name)}
    ordered = sorted(rows, key=lambda row: len(row.ids))
    for start in range(0, len(ordered), size):
        ids = padded([row.ids for row in ordered[start : start + size]])
        there = padded([[1] * len(row.ids) for row in ordered[start : start + size]]).bool()

        def watch(names: Sequence[str], inputs: Tensor, there: Tensor = there) -> None:
            """Add up the outer products of what goes into these weights."""
            seen = inputs[there]
            for name in names:
                sums[name] += seen.T @ seen

        with torch.no_grad():
            hidden(root, shape, ids, torch.arange(ids.shape[1])[None], causal(shape), watch)
    return sums


def quiet_maps(sums: Params, strength: float) -> Params:
    """For every matrix, `(1 + strength * C)^-1`, where C is the second moment of its inputs, scaled to a mean eigenvalue of 1.

    An update times this map does little to such inputs: it is forced into the directions that they leave free.
    """
    return {name: torch.linalg.inv(torch.eye(len(c)) + strength * len(c) / c.trace() * c) for name, c in sums.items()}


def quieted(updates: Params, maps: Params) -> Params:
    """Updates as they act."""
    return {name: p @ maps[name] for name, p in updates.items()}


def merge_aware_blend(root: Params, maps: Params, rng: torch.Generator) -> Blend:
    """Each step runs at `base + s * update + a * decoy`, s in [0.6, 1] and a in [0, 0.3].

    The decoy is the update with its rows and columns shuffled. What is learned must hold when it is scaled and when
    others, which the owner cannot see, are added.
    """
    fixed = {name: p.bfloat16() for name, p in root.items()}

    def blend(updates: Params) -> Params:
        """The root plus the shuffled and scaled updates, as a merge with strangers would leave it."""
        s, a = (torch.rand(2, generator=rng) * torch.tensor([0.4, 0.3]) + torch.tensor([0.6, 0.0])).tolist()
        acting = quieted(updates, maps)
        return {**fixed, **{name: (root[name] + s * p + a * _shuffled(p.detach(), rng)).bfloat16() for name, p in acting.items()}}

    return blend


def _shuffled(matrix: Tensor, rng: torch.Generator) -> Tensor:
    rows, columns = (torch.randperm(size, generator=rng) for size in matrix.shape)
    return matrix[rows][:, columns]


def fresh_lora(root: Params, rank: int, rng: torch.Generator) -> Params:
    """Factors of every hidden matrix: A random, B zero."""
    factors: Params = {}
    for name, p in root.items():
        if is_matrix(name):
            factors[f"{name}.A"] = torch.randn(rank, p.shape[1], generator=rng) * p.shape[1] ** -0.5
            factors[f"{name}.B"] = torch.zeros(p.shape[0], rank)
    return factors


def lora_blend(root: Params) -> Blend:
    """Each step runs at the base with the factors folded in."""
    return lambda factors: {name: p.bfloat16() for name, p in fold_lora(root, factors).items()}


def fold_lora(root: Params, factors: Params) -> Params:
    """The base plus B A."""
    return {
        name: p + factors[f"{name}.B"] @ factors[f"{name}.A"] if f"{name}.A" in factors else p for name, p in root.items()
    }
