"""Members that are an update of the base: LoRA factors, and updates that are trained to survive merging."""

from __future__ import annotations

import torch
from torch import Tensor

from consilience.nursery.net import Params, is_matrix
from consilience.nursery.train import Blend


def zero_updates(root: Params) -> Params:
    """An update of every hidden matrix, at nothing."""
    return {name: torch.zeros_like(p) for name, p in root.items() if is_matrix(name)}


def merge_aware_blend(root: Params, rng: torch.Generator) -> Blend:
    """Each step runs at `base + s * update + a * shuffle(update)`, s in [0.5, 1] and a in [0, 1].

    The update with its rows and columns shuffled stands for other members' updates, which its owner cannot see:
    what is learned must hold when it is scaled down and when others are added.
    """
    fixed = {name: p.bfloat16() for name, p in root.items()}

    def blend(updates: Params) -> Params:
        s, a = (torch.rand(2, generator=rng) * torch.tensor([0.5, 1.0]) + torch.tensor([0.5, 0.0])).tolist()
        return {**fixed, **{name: (root[name] + s * p + a * _shuffled(p.detach(), rng)).bfloat16() for name, p in updates.items()}}

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
