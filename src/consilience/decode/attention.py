"""Attention over slots for grouped heads: the query groups are folded into the query axis.

With a mask, grouped heads and several queries, the library copies keys and values once per query head at every layer;
folding the groups reads them in place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "consilience_slots"
UNFOLDED = ("softcap", "position_bias")
"""What changes scores by head; with it nothing is folded."""


def folded_attention(module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
                     dropout: float = 0.0, scaling: float | None = None, **kwargs: Any) -> tuple[Tensor, None]:
    """`query` [rows, heads, tokens, size], `key` and `value` [rows, kv_heads, columns, size], float mask
    [rows, 1, tokens, columns]. Without a mask, or without groups, this is the library's own function."""
    groups = query.shape[1] // key.shape[1]
    plain = attention_mask is None or groups == 1 or attention_mask.shape[1] != 1
    if plain or any(kwargs.get(name) is not None for name in UNFOLDED):
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    rows, heads, tokens, size = query.shape
    folded = query.reshape(rows, key.shape[1], groups * tokens, size)
    mask = attention_mask[:, :, None].expand(-1, -1, groups, -1, -1).reshape(rows, 1, groups * tokens, -1)
    out = scaled_dot_product_attention(folded, key, value, attn_mask=mask, dropout_p=dropout, scale=scaling)
    return out.reshape(rows, heads, tokens, value.shape[-1]).transpose(1, 2).contiguous(), None


def register() -> None:
    """Make the function known to Transformers under `NAME`."""
    AttentionInterface.register(NAME, folded_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
