"""One training run: batches of examples, Muon for hidden matrices and AdamW for the rest, bfloat16 work on float32 weights."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from consilience.nursery.net import Params, Shape, causal, hidden, is_matrix, padded

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """A token sequence and which of its tokens are learned (the members' own words)."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]


@dataclass(frozen=True)
class Plan:
    """The length and rates of a run."""

    steps: int
    rate: float = 0.006
    """Of Muon, or of AdamW for the hidden matrices if `muon` is false."""
    side: float = 3e-3
    """Of AdamW for embeddings, norms and biases; 0 freezes them."""
    muon: bool = True
    decay: float = 0.4
    """Last part of the run over which the rates fall to zero."""
    warm: int = 20
    tokens: int = 1280
    """Padded tokens of a batch."""

    def scale(self, step: int) -> float:
        """Share of the full rate at a step."""
        left = (self.steps - step) / max(1.0, self.steps * self.decay)
        return min(1.0, (step + 1) / self.warm, left)


def batches(rows: Iterator[Row], tokens: int, rng: random.Random) -> Iterator[list[Row]]:
    """Rows of similar length together, about `tokens` padded tokens at a time, in random order."""
    while True:
        window = sorted((next(rows) for _ in range(1024)), key=lambda row: len(row.ids))
        ready: list[list[Row]] = [[]]
        for row in window:
            if ready[-1] and (len(ready[-1]) + 1) * len(row.ids) > tokens:
                ready.append([])
            ready[-1].append(row)
        rng.shuffle(ready)
        yield from ready


def loss_of(params: Params, shape: Shape, batch: Sequence[Row]) -> Tensor:
    """Mean cross-entropy of the learned tokens."""
    ids = padded([row.ids for row in batch])
    learned = padded([row.learned for row in batch]).bool()
    positions = torch.arange(ids.shape[1])[None]
    states = hidden(params, shape, ids[:, :-1], positions[:, :-1], causal(shape))
    wanted = learned[:, 1:]
    logits = F.linear(states[wanted], params["model.embed_tokens.weight"])
    return F.cross_entropy(logits.float(), ids[:, 1:][wanted])


class Adam:
    """AdamW without weight decay, on a dictionary of tensors."""

    def __init__(self, params: Params, betas: tuple[float, float] = (0.9, 0.98)) -> None:
        self.params, self.betas, self.count = params, betas, 0
        self.first = {name: torch.zeros_like(p) for name, p in params.items()}
        self.second = {name: torch.zeros_like(p) for name, p in params.items()}

    def step(self, rate: float) -> None:
        """Move every tensor that has a gradient."""
        self.count += 1
        low, high = self.betas
        for name, p in self.params.items():
            if p.grad is None:
                continue
            m = self.first[name].lerp_(p.grad, 1 - low)
            v = self.second[name].mul_(high).addcmul_(p.grad, p.grad, value=1 - high)
            spread = (v / (1 - high**self.count)).sqrt_().add_(1e-8)
            p.data.addcdiv_(m, spread, value=-rate / (1 - low**self.count))


class Muon:
    """Momentum whose update is made orthogonal by Newton-Schulz steps (Jordan et al. 2024), in batches of equal shape."""

    def __init__(self, params: Params, momentum: float = 0.95) -> None:
        self.momentum = momentum
        self.groups: dict[tuple[int, ...], list[Tensor]] = {}
        for p in params.values():
            self.groups.setdefault(tuple(sorted(p.shape)), []).append(p)
        self.buffers = {shape: torch.zeros(len(group), *shape) for shape, group in self.groups.items()}

    def step(self, rate: float) -> None:
        """Move every matrix."""
        for shape, group in self.groups.items():
            gradients = torch.stack([_wide(p.grad if p.grad is not None else torch.zeros_like(p), shape) for p in group])
            buffer = self.buffers[shape].lerp_(gradients, 1 - self.momentum)
            updates = _orthogonal(gradients.lerp(buffer, self.momentum))
            for p, update in zip(group, updates, strict=True):
                scale = math.sqrt(max(1.0, p.shape[0] / p.shape[1]))
                p.data.add_(update if p.shape == update.shape else update.T, alpha=-rate * scale)


def _wide(matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
    return matrix if tuple(matrix.shape) == shape else matrix.T


def _orthogonal(matrices: Tensor) -> Tensor:
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = x.bfloat16()
    for a, b, c in [(3.4445, -4.7750, 2.0315)] * 5:
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.float()


Blend = Callable[[Params], Params]
"""Makes the weights that a step runs at from those that it learns."""


def work_copy(params: Params) -> Params:
    """The bfloat16 copy that a step runs on; gradients flow back through it."""
    return {name: p.bfloat16() for name, p in params.items()}


def train(params: Params, shape: Shape, rows: Iterator[Row], plan: Plan, seed: int, blend: Blend = work_copy, note: str = "") -> float:
    """Learn in place; returns the CPU seconds it took."""
    begun = time.process_time()
    rng = random.Random(f"order {seed} {note}")
    stream = batches(rows, plan.tokens, rng)
    for p in params.values():
        p.requires_grad_(True)
    hiddens = {name: p for name, p in params.items() if is_matrix(name)}
    others = {name: p for name, p in params.items() if not is_matrix(name)}
    main: Muon | Adam = Muon(hiddens) if plan.muon else Adam(hiddens)
    side = Adam(others)
    recent: list[float] = []
    for step in range(plan.steps):
        loss = loss_of(blend(params), shape, next(stream))
        loss.backward()
        main.step(plan.rate * plan.scale(step))
        if plan.side:
            side.step(plan.side * plan.scale(step))
        for p in params.values():
            p.grad = None
        recent.append(float(loss.detach()))
        if (step + 1) % 250 == 0:
            log.info("%s step %d loss %.3f cpu %.0f s", note, step + 1, sum(recent) / len(recent), time.process_time() - begun)
            recent = []
    for p in params.values():
        p.requires_grad_(False)
    return time.process_time() - begun
