"""A short forward for the Llama line of families (Llama, Mistral, Qwen2, Qwen3): the same numbers in fewer operations.

The library's forward runs about 250 operations per layer-step in Python, which is what small models spend their time on;
this one runs about 20: query, key and value are one matrix product, so are gate and up, and positions come from a table.
It is used only where the binding test finds that it agrees with the library's own forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu
from transformers import PreTrainedModel

if TYPE_CHECKING:
    from consilience.decode.slots import Slots

LANES = 4
"""Fewest rows of a matrix product. With fewer, another kernel runs and the last bits of a row differ."""
FAMILIES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    qk_norm: Tensor | None
    out: Tensor
    out_bias: Tensor | None
    norm2: Tensor
    gate_up: Tensor
    gate_up_bias: Tensor | None
    down: Tensor
    down_bias: Tensor | None
    kind: str


class Lean:
    """The short forward of one model. Its fused matrices replace those of the model, whose parameters become views."""

    def __init__(self, model: PreTrainedModel, limit: int) -> None:
        config, inner = model.config, model.model
        first = inner.layers[0].self_attn
        self.heads, self.kv_heads, self.size = config.num_attention_heads, config.num_key_value_heads, first.head_dim
        self.scaling, self.eps = first.scaling, config.rms_norm_eps
        self.embed, self.norm, self.head = inner.embed_tokens.weight, inner.norm.weight, model.lm_head
        kinds = getattr(config, "layer_types", None) or [""] * len(inner.layers)
        with torch.inference_mode(False), torch.no_grad():
            self.layers = [self._layer(layer, kind) for layer, kind in zip(inner.layers, kinds, strict=True)]
            cos, sin = inner.rotary_emb(self.embed, torch.arange(limit, device=self.embed.device)[None])
        half = sin.shape[-1] // 2
        self.cos = cos[0]
        self.sin = torch.cat((-sin[0, :, :half], sin[0, :, half:]), -1)

    @classmethod
    def of(cls, model: PreTrainedModel, limit: int | None) -> Lean | None:
        """The short forward of a model of these families, or None."""
        config: Any = model.config
        known = type(model).__name__ in FAMILIES and limit is not None and config.hidden_act == "silu"
        return cls(model, limit) if known and limit is not None else None

    def _layer(self, layer: Any, kind: str) -> _Layer:
        attention, mlp = layer.self_attn, layer.mlp
        qkv, qkv_bias = _fuse(attention.q_proj, attention.k_proj, attention.v_proj)
        gate_up, gate_up_bias = _fuse(mlp.gate_proj, mlp.up_proj)
        norms = [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
        qk_norm = None
        if norms[0] is not None and norms[1] is not None:
            qk_norm = torch.cat([norms[0].weight.expand(self.heads, -1), norms[1].weight.expand(self.kv_heads, -1)])
        return _Layer(layer.input_layernorm.weight, qkv, qkv_bias, qk_norm, attention.o_proj.weight, attention.o_proj.bias,
                      layer.post_attention_layernorm.weight, gate_up, gate_up_bias, mlp.down_proj.weight,
                      mlp.down_proj.bias, kind)

    def __call__(self, slots: Slots, ids: Tensor, position: Tensor, mask: Tensor | dict[str, Tensor],
                 keep: Tensor | None, cut: bool = False) -> tuple[Tensor, Tensor]:
        """Logits [rows, tokens, vocabulary] and the hidden states that they come from; with `keep` [rows, k] only those
        of these places, and with `cut` the last layer computes no others. See `Slots.push`."""
        n, q = ids.shape
        groups, size = self.heads // self.kv_heads, self.size
        cos, sin = self.cos[position].reshape(n * q, 1, size), self.sin[position].reshape(n * q, 1, size)
        masks = mask if isinstance(mask, dict) else {layer.kind: mask for layer in self.layers}
        folded = {k: _fold(m, groups) for k, m in masks.items()}
        x = self.embed[ids.reshape(-1)]
        turned, half = self.heads + self.kv_heads, size // 2
        for number, layer in enumerate(self.layers):
            h = rms_norm(x, x.shape[-1:], layer.norm, self.eps)
            h = linear(h, layer.qkv, layer.qkv_bias).view(n * q, turned + self.kv_heads, size)
            qk = h[:, :turned]
            if layer.qk_norm is not None:
                qk = rms_norm(qk, (size,), None, self.eps) * layer.qk_norm
            qk = torch.addcmul(qk * cos, torch.cat((qk[..., half:], qk[..., :half]), -1), sin)
            keys, values = slots.write(number, qk[:, self.heads:].view(n, q, self.kv_heads, size),
                                       h[:, turned:].view(n, q, self.kv_heads, size))
            query = qk[:, :self.heads].reshape(n, q, -1)
            if cut and keep is not None and number == len(self.layers) - 1:     # nobody reads the others any further
                query = torch.take_along_dim(query, keep[..., None], 1)
                folded = {k: _fold(torch.take_along_dim(m, keep[:, None, :, None], 2), groups) for k, m in masks.items()}
                x, q = torch.take_along_dim(x.view(n, q, -1), keep[..., None], 1).flatten(0, 1), keep.shape[1]
            query = query.view(n, q, self.kv_heads, groups, size).permute(0, 2, 3, 1, 4)
            a = scaled_dot_product_attention(query.reshape(n, self.kv_heads, groups * q, size), keys, values,
                                             folded[layer.kind], scale=self.scaling)
            a = a.view(n, self.kv_heads, groups, q, size).permute(0, 3, 1, 2, 4).reshape(n * q, -1)
            x = x + linear(a, layer.out, layer.out_bias)
            gate, up = linear(rms_norm(x, x.shape[-1:], layer.norm2, self.eps), layer.gate_up, layer.gate_up_bias).chunk(2, -1)
            x = x + linear(silu(gate) * up, layer.down, layer.down_bias)
        x = x.view(n, q, -1)
        if keep is not None and not cut:
            x = torch.take_along_dim(x, keep[..., None], dim=1)
        x = rms_norm(x, x.shape[-1:], self.norm, self.eps)
        return self.head(x), x


def _fold(mask: Tensor, groups: int) -> Tensor:
    """The mask for grouped queries: groups outermost, then tokens. One token broadcasts over its groups."""
    if groups == 1 or mask.shape[2] == 1:
        return mask
    return mask[:, :, None].expand(-1, -1, groups, -1, -1).reshape(mask.shape[0], 1, groups * mask.shape[2], -1)


def _fuse(*layers: torch.nn.Linear) -> tuple[Tensor, Tensor | None]:
    """One weight and bias for several layers of one input; the layers' own become views, so that memory is not doubled."""
    weight = torch.cat([layer.weight.data for layer in layers])
    biased = [layer.bias for layer in layers]
    bias = None
    if any(b is not None for b in biased):
        bias = torch.cat([torch.zeros(layer.out_features).to(weight) if layer.bias is None else layer.bias.data
                          for layer in layers])
    at = 0
    for layer in layers:
        layer.weight.data = weight[at:at + layer.out_features]
        at += layer.out_features
    return weight, bias
