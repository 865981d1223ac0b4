"""The network of the nursery as functions of a dictionary of tensors: Llama, and Qwen2 (biases, fewer key heads).

The names of the tensors are those of Transformers, so a trained dictionary is a checkpoint. Functions of a
dictionary let a training step run at `base + scale * update` and let gradients flow to the update alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Params = dict[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """The sizes of one network."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    key_heads: int = 4
    inner: int = 320
    vocabulary: int = 640
    bias: bool = False
    """Biases of the query, key and value maps: Qwen2; without them: Llama."""

    @property
    def head(self) -> int:
        """Width of one head."""
        return self.width // self.heads


def fresh(shape: Shape, generator: torch.Generator) -> Params:
    """Random weights."""
    params: Params = {"model.embed_tokens.weight": _normal(generator, 0.05, shape.vocabulary, shape.width)}
    keys = shape.head * shape.key_heads
    for layer in range(shape.layers):
        at = f"model.layers.{layer}."
        sizes = {
            "self_attn.q_proj": (shape.width, shape.width), "self_attn.k_proj": (keys, shape.width),
            "self_attn.v_proj": (keys, shape.width), "self_attn.o_proj": (shape.width, shape.width),
            "mlp.gate_proj": (shape.inner, shape.width), "mlp.up_proj": (shape.inner, shape.width), "mlp.down_proj": (shape.width, shape.inner),
        }
        for name, (rows, columns) in sizes.items():
            out = name.endswith(("o_proj", "down_proj"))
            params[f"{at}{name}.weight"] = _normal(generator, columns**-0.5 * (0.3 if out else 1.0), rows, columns)
            if shape.bias and name.endswith(("q_proj", "k_proj", "v_proj")):
                params[f"{at}{name}.bias"] = torch.zeros(rows)
        params[f"{at}input_layernorm.weight"] = torch.ones(shape.width)
        params[f"{at}post_attention_layernorm.weight"] = torch.ones(shape.width)
    params["model.norm.weight"] = torch.ones(shape.width)
    return params


def _normal(generator: torch.Generator, scale: float, rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=generator) * scale


def is_matrix(name: str) -> bool:
    """Whether a tensor is a hidden matrix (not an embedding, norm, bias or head)."""
    return "_proj.weight" in name


def _rotation(shape: Shape, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    rates = 10000.0 ** (-torch.arange(0, shape.head, 2, dtype=torch.float32) / shape.head)
    angles = positions[..., None].float() * rates
    angles = torch.cat((angles, angles), dim=-1)[:, None]
    return angles.cos().to(dtype), angles.sin().to(dtype)


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


Watch = Callable[[Sequence[str], Tensor], None]


def hidden(
    params: Params, shape: Shape, ids: Tensor, positions: Tensor, attend: Callable[[int, Tensor, Tensor, Tensor], Tensor],
    watch: Watch = lambda names, inputs: None,
) -> Tensor:
    """Last hidden states `[row, column, width]` of token `ids`; `attend(layer, q, k, v)` mixes the columns.

    `watch` sees the inputs of each hidden matrix, with the names of the matrices that read them.
    """
    def through(inputs: Tensor, *names: str, bias: Tensor | None = None) -> Tensor:
        """Inputs through these weights side by side; `watch` sees them first."""
        watch(names, inputs)
        weights = [params[name] for name in names]
        return F.linear(inputs, weights[0] if len(weights) == 1 else torch.cat(weights), bias)

    x = F.embedding(ids, params["model.embed_tokens.weight"])
    cos, sin = _rotation(shape, positions, x.dtype)
    rows, columns, _ = x.shape
    for layer in range(shape.layers):
        at = f"model.layers.{layer}."
        normed = _norm(x, params[f"{at}input_layernorm.weight"])
        stems = [f"{at}self_attn.{name}_proj" for name in "qkv"]
        biases = torch.cat([params[f"{stem}.bias"] for stem in stems]) if shape.bias else None
        mixed = through(normed, *(f"{stem}.weight" for stem in stems), bias=biases).view(rows, columns, -1, shape.head).transpose(1, 2)
        q, k, v = mixed.split((shape.heads, shape.key_heads, shape.key_heads), dim=1)
        seen = attend(layer, _turn(q, cos, sin), _turn(k, cos, sin), v)
        x = x + through(seen.transpose(1, 2).reshape(rows, columns, -1).to(x.dtype), f"{at}self_attn.o_proj.weight")
        normed = _norm(x, params[f"{at}post_attention_layernorm.weight"])
        gate, up = through(normed, f"{at}mlp.gate_proj.weight", f"{at}mlp.up_proj.weight").chunk(2, dim=-1)
        x = x + through(F.silu(gate) * up, f"{at}mlp.down_proj.weight")
    return _norm(x, params["model.norm.weight"])


def _norm(x: Tensor, weight: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), weight, 1e-6)


def causal(shape: Shape) -> Callable[[int, Tensor, Tensor, Tensor], Tensor]:
    """Plain causal attention in float32 (its bfloat16 gradient is slow on a CPU); padding must be on the right."""
    groups = shape.heads // shape.key_heads

    def attend(_: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal attention over [batch, heads, places, width] in float32."""
        if groups > 1:
            k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)

    return attend


class Slots:
    """Keys and values of many rows; the column of a token is its position, so rows of any lengths share a batch."""

    def __init__(self, shape: Shape, rows: int, columns: int) -> None:
        sizes = (shape.layers, rows, shape.key_heads, columns, shape.head)
        self.shape, self.keys, self.values = shape, torch.zeros(sizes), torch.zeros(sizes)
        self.lanes = torch.arange(rows)

    def keep(self, lanes: Tensor) -> None:
        """Go on with these rows only."""
        self.keys, self.values = self.keys[:, lanes], self.values[:, lanes]
        self.lanes = torch.arange(len(lanes))

    def attend(self, positions: Tensor, upto: int) -> Callable[[int, Tensor, Tensor, Tensor], Tensor]:
        """Attention that first stores the new columns at `positions` and then sees all up to each query's own."""
        mask = torch.where(torch.arange(upto) <= positions[..., None], 0.0, -math.inf)[:, None]
        groups = self.shape.heads // self.shape.key_heads

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            """Attention of new places over all that the lanes hold, after their keys and values are kept."""
            self.keys[layer][self.lanes[:, None], :, positions] = k.transpose(1, 2)
            self.values[layer][self.lanes[:, None], :, positions] = v.transpose(1, 2)
            keys, values = self.keys[layer][:, :, :upto], self.values[layer][:, :, :upto]
            if groups > 1:
                keys, values = keys.repeat_interleave(groups, 1), values.repeat_interleave(groups, 1)
            return F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)

        return attend


@dataclass(frozen=True)
class Draft:
    """A generated text."""

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Log-probability of each token, under the mixture that chose it."""

    @property
    def confidence(self) -> float:
        """The lowest log-probability of a token."""
        return min(self.logprobs, default=0.0)


Combine = Callable[[Sequence[Tensor]], Tensor]
"""Makes log-probabilities `[row, token]` of the models' logits, each `[row, token]`."""


def alone(logits: Sequence[Tensor]) -> Tensor:
    """The log-probabilities of a single model."""
    return logits[0].log_softmax(-1)


@torch.inference_mode()
def decode(
    models: Sequence[Params], shape: Shape, prompts: Sequence[Sequence[int]], stop: int, *, limit: int = 64,
    temperature: float = 0.0, seed: int = 0, combine: Combine = alone, lanes: int = 128,
) -> list[Draft]:
    """One draft per prompt of models in lockstep (or of one model), in the order of the prompts."""
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    drafts: dict[int, Draft] = {}
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, len(order), lanes):
        places = order[start : start + lanes]
        found = _decode(models, shape, [prompts[place] for place in places], stop, limit, temperature, generator, combine)
        drafts.update(zip(places, found, strict=True))
    return [drafts[place] for place in range(len(prompts))]


def _decode(
    models: Sequence[Params], shape: Shape, prompts: Sequence[Sequence[int]], stop: int, limit: int, temperature: float,
    generator: torch.Generator, combine: Combine,
) -> list[Draft]:
    rows, longest = len(prompts), max(map(len, prompts))
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    ids = torch.zeros(rows, longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt)
    slots = [Slots(shape, rows, longest + limit) for _ in models]
    positions = torch.arange(longest).expand(rows, -1)
    last = lengths - 1
    living = torch.arange(rows)
    tokens: list[list[int]] = [[] for _ in prompts]
    logprobs: list[list[float]] = [[] for _ in prompts]
    done = torch.zeros(rows, dtype=torch.bool)
    for step in range(limit):
        upto = longest + step
        states = [hidden(p, shape, ids, positions, s.attend(positions, upto)) for p, s in zip(models, slots, strict=True)]
        lanes = torch.arange(len(living))
        mixed = combine([F.linear(x[lanes, last], p["model.embed_tokens.weight"]) for x, p in zip(states, models, strict=True)])
        if temperature > 0:
            chosen = torch.multinomial((mixed / temperature).softmax(-1), 1, generator=generator)[:, 0]
        else:
            chosen = mixed.argmax(-1)
        values = mixed[lanes, chosen].tolist()
        for row, token, value, over in zip(living.tolist(), chosen.tolist(), values, done.tolist(), strict=True):
            if not over:
                logprobs[row].append(value)
                tokens[row] += [token] * (token != stop)
        done |= chosen == stop
        going = (~done).nonzero()[:, 0]
        if len(going) == 0:
            break
        if len(going) < len(living) * 0.75:
            for s in slots:
                s.keep(going)
            living, chosen, lengths, done = living[going], chosen[going], lengths[going], done[going]
        ids, positions = chosen[:, None], lengths[:, None]
        last = torch.zeros(len(living), dtype=torch.long)
        lengths = lengths + 1
    return [Draft(tuple(row), tuple(values)) for row, values in zip(tokens, logprobs, strict=True)]


@torch.inference_mode()
def likelihood(params: Params, shape: Shape, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], lanes: int = 64) -> list[float]:
    """Mean log-probability of the tokens of each answer after its prompt."""
    scores: dict[int, float] = {}
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]) + len(answers[place]))
    for start in range(0, len(order), lanes):
        places = order[start : start + lanes]
        rows = [[*prompts[place], *answers[place]] for place in places]
        ids = padded(rows)
        states = hidden(params, shape, ids, torch.arange(ids.shape[1]).expand(len(rows), -1), causal(shape))
        logs = F.linear(states, params["model.embed_tokens.weight"]).log_softmax(-1)
        for row, place in enumerate(places):
            begin, count = len(prompts[place]), len(answers[place])
            picked = logs[row, begin - 1 : begin + count - 1].gather(1, torch.tensor(answers[place])[:, None])
            scores[place] = float(picked.mean())
    return [scores[place] for place in range(len(prompts))]


def padded(rows: Sequence[Sequence[int]], pad: int = 0) -> Tensor:
    """Rows of ids as one tensor, padded on the right."""
    ids = torch.full((len(rows), max(map(len, rows))), pad, dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return ids
