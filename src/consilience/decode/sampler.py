"""Choosing tokens: greedy or sampled, one setting and one source of noise per row.

Order of the steps: repetition penalty, temperature, top-k, top-p, min-p. The noise of a token is one number, a hash of
the row's key and the token's index, so that a row's text depends on nothing else. Greedy ties go to the lowest id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from consilience.types import Sampling, digest


def noise_key(*parts: object) -> int:
    """A 64-bit key for a row's noise."""
    return int(digest(list(parts))[:16], 16)


def uniforms(keys: Sequence[int], indices: Sequence[int], kind: int = 0) -> np.ndarray:
    """One number in (0, 1) for each row: splitmix64 (Steele, Lea, Flood 2014) of key and token index. `kind` tells
    several numbers for one token apart."""
    z = np.array(keys, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = z ^ np.uint64(kind * 0xD1B54A32D192ED03 & 0xFFFFFFFFFFFFFFFF)
        z = z + (np.array(indices, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The sampling settings of a batch of rows as columns [rows, 1]."""

    keys: tuple[int, ...]
    greedy: Tensor
    temperature: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor
    penalty: Tensor
    seen: Tensor | None
    all_greedy: bool
    some_greedy: bool
    widest: int
    """How many of the best tokens the filters must look at; 0 when no row filters."""

    @classmethod
    def of(cls, samplings: Sequence[Sampling], keys: Sequence[int], vocabulary: int,
           texts: Sequence[Sequence[int]], device: torch.device) -> Plan:
        """The plan of rows; `texts` are the ids so far (prompt and new), which the repetition penalty looks at."""
        def column(values: list[float], dtype: torch.dtype = torch.float32) -> Tensor:
            """One setting of all rows, [rows, 1]."""
            return torch.tensor(values, dtype=dtype, device=device)[:, None]

        drawn = [s for s in samplings if not s.greedy]
        filtered = any(s.top_k or s.top_p < 1 or s.min_p > 0 for s in drawn)
        limits = [min(s.top_k or vocabulary, vocabulary) for s in samplings]
        wide = max((k for k, s in zip(limits, samplings, strict=True) if not s.greedy), default=0)
        return cls(tuple(keys), torch.tensor([s.greedy for s in samplings], device=device),
                   column([s.temperature or 1.0 for s in samplings]), column(limits, torch.int64),
                   column([s.top_p for s in samplings], torch.float64),
                   column([s.min_p for s in samplings], torch.float64),
                   column([s.repetition_penalty for s in samplings]), _seen(samplings, texts, vocabulary, device),
                   not drawn, len(drawn) < len(samplings), wide if filtered else 0)

    def choose(self, scores: Tensor, indices: Sequence[int]) -> Tensor:
        """Token ids [rows] from float32 scores [rows, vocabulary]; `indices` are the tokens' indices in their rows."""
        scores = self._punished(scores, self.seen)
        if self.all_greedy:
            chosen = scores.argmax(-1)
        else:
            chosen = self.draw(self._filtered(scores), indices)
            if self.some_greedy:
                chosen = torch.where(self.greedy, scores.argmax(-1), chosen)
        if self.seen is not None:
            note(self.seen, chosen)
        return chosen

    def probabilities(self, scores: Tensor, seen: Tensor | None) -> Tensor:
        """The distribution that `choose` draws from, float64 [rows, vocabulary], with `seen` in place of the plan's own
        record of tokens; all on one token for greedy rows."""
        scores = self._punished(scores, seen)
        certain = torch.zeros_like(scores, dtype=torch.float64).scatter_(1, scores.argmax(-1, keepdim=True), 1.0)
        return certain if self.all_greedy else torch.where(self.greedy[:, None], certain, self._filtered(scores))

    def part(self, which: Sequence[int]) -> Plan:
        """The plan of some of the rows. Its record of tokens is a copy."""
        index = torch.tensor(which, device=self.greedy.device)
        return Plan(tuple(self.keys[i] for i in which), self.greedy[index], self.temperature[index], self.top_k[index],
                    self.top_p[index], self.min_p[index], self.penalty[index],
                    None if self.seen is None else self.seen[index], self.all_greedy, self.some_greedy, self.widest)

    def _punished(self, scores: Tensor, seen: Tensor | None) -> Tensor:
        if seen is None:
            return scores
        return torch.where(seen, torch.where(scores < 0, scores * self.penalty, scores / self.penalty), scores)

    def _filtered(self, scores: Tensor) -> Tensor:
        scaled = scores / self.temperature
        if self.widest:
            scaled = scaled.masked_fill(scaled < self._threshold(scaled), -torch.inf)
        return torch.softmax(scaled, -1).double()

    def draw(self, weights: Tensor, indices: Sequence[int], kind: int = 0) -> Tensor:
        """Token ids [rows], drawn in proportion to `weights`, float64 [rows, vocabulary]."""
        mass = weights.cumsum(-1)
        aim = torch.minimum(self.noise(indices, kind) * mass[:, -1:], mass[:, -1:] * (1 - 1e-15))
        return torch.searchsorted(mass, aim, right=True)[:, 0].clamp_max(weights.shape[-1] - 1)

    def noise(self, indices: Sequence[int], kind: int = 0) -> Tensor:
        """A number in (0, 1) for each row's token, float64 [rows, 1]; see `uniforms`."""
        return torch.from_numpy(uniforms(self.keys, indices, kind)).to(self.greedy.device)[:, None]

    def _threshold(self, scaled: Tensor) -> Tensor:
        """Smallest score that stays, [rows, 1]; tokens of equal score stay or go together."""
        values = scaled.topk(self.widest, dim=-1).values
        keep = torch.arange(self.widest, device=scaled.device) < self.top_k
        p = torch.softmax(values.double().masked_fill(~keep, -torch.inf), -1)
        keep &= (p.cumsum(-1) - p) < self.top_p
        keep &= p >= self.min_p * p[:, :1]
        keep[:, 0] = True
        return values.masked_fill(~keep, torch.inf).min(-1, keepdim=True).values


def note(seen: Tensor, chosen: Tensor, where: Tensor | None = None) -> None:
    """Mark each row's token (of the rows `where`) in a record of tokens, bool [rows, vocabulary]."""
    rows = torch.arange(len(chosen), device=chosen.device)
    if where is not None:
        rows, chosen = rows[where], chosen[where]
    seen[rows, chosen] = True


def _seen(samplings: Sequence[Sampling], texts: Sequence[Sequence[int]], vocabulary: int,
          device: torch.device) -> Tensor | None:
    if all(s.repetition_penalty == 1 for s in samplings):
        return None
    seen = torch.zeros(len(samplings), vocabulary, dtype=torch.bool, device=device)
    for row, (sampling, text) in enumerate(zip(samplings, texts, strict=True)):
        if sampling.repetition_penalty != 1:
            ids = torch.tensor(list(text), dtype=torch.int64, device=device)
            seen[row, ids[ids < vocabulary]] = True
    return seen
