"""Members that are an update of the base: LoRA factors, and updates that are trained to survive merging."""

from __future__ import annotations

import torch
from torch import Tensor

from consilience.nursery.net import Params, is_matrix
from consilience.nursery.train import Blend


def zero_updates(root: Params) -> Params:
    """An update of every hidden matrix, at nothing."""
    return {name: torch.zeros_like(p) for name, p in root.items() if is_matrix(name)}


PARTS = 4
"""Parts that every layer is divided into: one attention head and a quarter of the feed-forward neurons each."""


def _axis(name: str) -> int:
    """The axis along which heads or neurons lie."""
    return 1 if name.endswith(("o_proj.weight", "down_proj.weight")) else 0


def part_masks(root: Params, part: int) -> Params:
    """One where a part of the layers lies, zero elsewhere."""
    masks = zero_updates(root)
    for name, mask in masks.items():
        size = mask.shape[_axis(name)] // PARTS
        mask.narrow(_axis(name), part * size, size).fill_(1.0)
    return masks


def merge_aware_blend(root: Params, masks: Params, rng: torch.Generator) -> Blend:
    """Each step runs at `base + s * update + a * decoy`, s in [0.6, 1] and a in [0, 1].

    The update lies within its owner's part. The decoy is that update moved to another part, its other axis shuffled: it
    stands for the members that its owner cannot see. What is learned must hold when it is scaled and others are added.
    """
    fixed = {name: p.bfloat16() for name, p in root.items()}

    def blend(updates: Params) -> Params:
        s, a = (torch.rand(2, generator=rng) * torch.tensor([0.4, 1.0]) + torch.tensor([0.6, 0.0])).tolist()
        away = int(torch.randint(1, PARTS, (1,), generator=rng))
        return {**fixed, **{
            name: (root[name] + s * masks[name] * p + a * _decoy(p.detach() * masks[name], _axis(name), away, rng)).bfloat16()
            for name, p in updates.items()
        }}

    return blend


def _decoy(update: Tensor, axis: int, away: int, rng: torch.Generator) -> Tensor:
    order = torch.randperm(update.shape[1 - axis], generator=rng)
    moved = update.roll(away * (update.shape[axis] // PARTS), dims=axis)
    return moved[:, order] if axis == 0 else moved[order]


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
