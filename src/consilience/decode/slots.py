"""The KV cache of one model: one row per slot, and column number = token position.

Every row starts at column 0 and has its own length; there is no left padding. Live rows are the dense prefix `0..n-1`,
so attention reads a view and nothing is gathered. One comparison masks everything, `column <= position of the query`:
what lies behind a row's length (stale tokens of a rollback, dummies of a ragged push) is never seen and is overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from consilience.decode.lean import LANES, Lean
from consilience.errors import ModelError

TOKENS = 16
"""More than half as many tokens per row are padded to a multiple of this, fewer to a power of two, so that the kernels
cut every row into the same blocks whatever else is pushed."""


def width_step(dtype: torch.dtype) -> int:
    """Columns are rounded up to this, so that a row's logits do not depend on its neighbours' lengths."""
    return 16 if dtype == torch.float32 else 32


def _doubled(least: int, wanted: int) -> int:
    while least < wanted:
        least *= 2
    return least


def bucket(count: int) -> int:
    """How many tokens a push of `count` carries per row."""
    return _doubled(1, count) if count <= TOKENS // 2 else -(-count // TOKENS) * TOKENS


def token_bytes(config: Any, dtype: torch.dtype) -> int:
    """Bytes that one token takes in the cache of a model with this configuration."""
    text = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return 2 * text.num_hidden_layers * heads * size * dtype.itemsize


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Places as runs of neighbours: first and count."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and sum(runs[-1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((place, 1))
    return runs


class Slots(Cache):
    """Rows of one model. `length[row]` is the number of valid columns.

    It is given to the model's own forward as its cache; `push` sets the rows and columns that the layers then write.
    """

    def __init__(self, model: PreTrainedModel, limit: int | None = None, lean: Lean | None = None) -> None:
        super().__init__(layers=[DynamicLayer()])
        self.model, self.lean = model, lean
        weight = model.get_input_embeddings().weight
        self.device, self.dtype = weight.device, weight.dtype
        self.length: list[int] = []
        self.limit = limit
        self._step = width_step(self.dtype)
        self._masks = _Masks(model.config.get_text_config())
        self._keys: dict[int, Tensor] = {}
        self._values: dict[int, Tensor] = {}
        self._rows = self._columns = 0
        self._at: tuple[Tensor, Tensor, slice | Tensor, int]
        self._even: slice | None = None
        """The columns of this push where they are the same in all rows."""

    @property
    def nbytes(self) -> int:
        """Bytes held by keys and values."""
        return sum(t.nbytes for t in (*self._keys.values(), *self._values.values()))

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Always 0: positions and masks are given explicitly, and the library must not derive any from here."""
        return 0

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any,
               **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Called by each layer of the model: write each row's own columns, and read the view of the rows at work."""
        return self.write(layer_idx, key_states.transpose(1, 2), value_states.transpose(1, 2))

    def write(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [rows, tokens, heads, size] into the columns of this push; the views to attend over."""
        keys = self._hold(self._keys, layer, key.shape[2], key.shape[3])
        values = self._hold(self._values, layer, value.shape[2], value.shape[3])
        rows, columns, seen, width = self._at
        if self._even is not None and isinstance(seen, slice):
            keys[seen, :, self._even] = key.transpose(1, 2)
            values[seen, :, self._even] = value.transpose(1, 2)
        else:
            keys[rows, :, columns] = key
            values[rows, :, columns] = value
        return keys[seen, :, :width], values[seen, :, :width]

    def _hold(self, held: dict[int, Tensor], layer: int, heads: int, size: int) -> Tensor:
        """The layer's tensor, grown to the capacity in force. New columns are zeros: NaN behind a mask would leak."""
        old = held.get(layer)
        if old is not None and old.shape[0] >= self._rows and old.shape[2] >= self._columns:
            return old
        new = torch.zeros(self._rows, heads, self._columns, size, dtype=self.dtype, device=self.device)
        if old is not None:
            new[:old.shape[0], :, :old.shape[2]] = old
        held[layer] = new
        return new

    def reserve(self, rows: int, columns: int) -> None:
        """Make room, by doubling."""
        self._rows = _doubled(LANES, max(rows, self._rows))
        self._columns = _doubled(64, max(columns, self._columns))

    def open(self, count: int) -> None:
        """Start so many empty rows behind the live ones."""
        self.length += [0] * count

    def push(self, rows: int | Sequence[int], ids: Sequence[Sequence[int]], *, last: int = 1) -> Tensor:
        """Give row `rows[i]` the tokens `ids[i]` (ragged; an empty one stands still) and advance it by as many.

        `rows` is a list in rising order, or the first of as many rows as there are ids; rows behind the live ones are
        started. Lanes beyond the pushed rows carry dummies in columns nobody sees. Returns the float32 logits after
        each row's last token, [rows, vocabulary]; with `last=k` after each of its last k tokens, [rows, k, vocabulary]
        (or fewer, where all rows are shorter), the last one at the end; before a row's own first: meaningless.
        """
        return self.push_with_states(rows, ids, last=last, states=False)[0]

    def push_with_states(self, rows: int | Sequence[int], ids: Sequence[Sequence[int]], *, last: int = 1,
                         states: bool = True) -> tuple[Tensor, Tensor | None]:
        """`push`, and with `states` also the last hidden states at each row's last token, float32 [rows, width]."""
        places = range(rows, rows + len(ids)) if isinstance(rows, int) else rows
        counts = [len(row) for row in ids]
        n, q = len(counts), bucket(max(counts))
        if places[-1] >= len(self.length):
            self.open(places[-1] + 1 - len(self.length))
        start = [self.length[place] for place in places]
        self._refuse_overflow(start, counts)
        lanes = max(n, -(-LANES // q))
        dense = places[-1] - places[0] == n - 1
        spare = range(places[-1] + 1, places[-1] + 1 + lanes - n) if dense else range(
            len(self.length), len(self.length) + lanes - n)
        lead = start + [self.length[place] if place < len(self.length) else 0 for place in spare]
        width = -(-(max(lead) + q) // self._step) * self._step
        self.reserve(max(len(self.length), spare.stop if lanes > n else 0), width)
        flat = torch.tensor([[*row, *[0] * (q - len(row))] for row in ids] + [[0] * q] * (lanes - n), device=self.device)
        position = torch.tensor(lead, device=self.device)[:, None]
        if q > 1:
            position = position + torch.arange(q, device=self.device)
        index = torch.tensor([*places, *spare], device=self.device)
        self._at = (index[:, None], position, slice(places[0], places[0] + lanes) if dense else index, width)
        self._even = slice(lead[0], lead[0] + q) if lead.count(lead[0]) == len(lead) else None
        kept = min(last, q)
        ends = [[max(c - k, 0) for k in range(kept, 0, -1)] for c in counts] + [[0] * kept] * (lanes - n)
        logits, hidden = self._forward(flat, position, width, ends, states)
        for place, begun, count in zip(places, start, counts, strict=True):
            self.length[place] = begun + count
        return (logits[:n, 0] if last == 1 else logits[:n, :kept]).float(), hidden[:n].float() if hidden is not None else None

    def _forward(self, ids: Tensor, position: Tensor, width: int, ends: list[list[int]],
                 states: bool) -> tuple[Tensor, Tensor | None]:
        if self.limit is not None:
            position = position.clamp_max(self.limit - 1)
        at = keep = torch.tensor(ends, device=self.device)
        if keep.numel() < LANES or keep.shape[1] == 1:      # repeated: see `LANES`
            keep = keep.repeat(1, -(-LANES // keep.shape[1]))
        mask = self._masks.of(self._at[1], width, self.dtype)
        short = None if ids.shape[1] == 1 else keep
        if self.lean is not None:
            logits, hidden = self.lean(self, ids, position, mask, short, at.shape[1] == 1)
            return logits, hidden[:, at.shape[1] - 1] if states else None
        out = self.model(input_ids=ids, past_key_values=self, position_ids=position, use_cache=True, attention_mask=mask,
                         logits_to_keep=0 if short is None else short, output_hidden_states=states)
        if not states:
            return out.logits, None
        return out.logits, torch.take_along_dim(out.hidden_states[-1], at[:, -1:, None], dim=1)[:, 0]

    def _refuse_overflow(self, start: Sequence[int], counts: Sequence[int]) -> None:
        if self.limit is not None:
            longest = max(s + c for s, c in zip(start, counts, strict=True))
            if longest > self.limit:
                raise ModelError(f"a row of {longest} tokens was asked of a model whose context is {self.limit}",
                                 reason="context")

    def rollback(self, row: int, count: int) -> None:
        """Forget the last `count` tokens of a row."""
        if not 0 <= count <= self.length[row]:
            raise ValueError(f"cannot take {count} tokens back from a row of {self.length[row]}")
        self.length[row] -= count

    def fork(self, row: int, into: Sequence[int]) -> None:
        """Copy a row into the rows `into`: open ones that are empty, or the next ones behind the live rows."""
        fresh = [place for place in into if place >= len(self.length)]
        if fresh != list(range(len(self.length), len(self.length) + len(fresh))):
            raise ValueError(f"forks go behind the {len(self.length)} live rows, not into {list(into)}")
        if full := [place for place in into if place < len(self.length) and self.length[place]]:
            raise ValueError(f"forks go into empty rows; rows {full} hold tokens")
        if not into:
            return
        size = self.length[row]
        self.open(len(fresh))
        self.reserve(len(self.length), size)
        runs = _runs(into)
        for held in (self._keys, self._values):
            for layer in held:
                tensor = self._hold(held, layer, held[layer].shape[1], held[layer].shape[3])
                for first, count in runs:
                    tensor[first:first + count, :, :size] = tensor[row, :, :size]
        for place in into:
            self.length[place] = size

    def leave(self, row: int) -> None:
        """Drop a row; the last live row moves into its place."""
        last = len(self.length) - 1
        size = self.length[last]
        if row != last and size:
            for held in (self._keys, self._values):
                for layer in held:
                    tensor = self._hold(held, layer, held[layer].shape[1], held[layer].shape[3])
                    tensor[row, :, :size] = tensor[last, :, :size]
        self.length[row] = size
        self.length.pop()

    def wipe(self, row: int) -> None:
        """Overwrite a row with zeros, so that numbers that are not finite cannot leak into a later row."""
        for tensor in (*self._keys.values(), *self._values.values()):
            tensor[row:row + 1] = 0

    def shrink(self) -> None:
        """Give back the memory that the live rows do not need."""
        rows, columns = len(self.length), max(self.length, default=0)
        self._rows = self._columns = 0
        self.reserve(max(rows, 1), max(columns, 1))
        for held in (self._keys, self._values):
            for layer in held:
                old = held[layer]
                held[layer] = old[:self._rows, :, :self._columns].clone()
                del old

    def cost(self, rows: int, columns: int) -> int:
        """Bytes of a cache that holds so many rows and columns, growth by doubling included."""
        rows, columns = _doubled(LANES, max(rows, self._rows)), _doubled(64, max(columns + self._step, self._columns))
        return rows * columns * token_bytes(self.model.config, self.dtype)


class _Masks:
    """Float masks, one per kind of layer that the model has: right for eager and for sdpa attention."""

    def __init__(self, config: Any) -> None:
        self._config = config
        kinds = getattr(config, "layer_types", None)
        self._kinds = sorted(set(kinds)) if kinds else []

    def of(self, position: Tensor, width: int, dtype: torch.dtype) -> Tensor | dict[str, Tensor]:
        """The mask [rows, 1, tokens, width]; for models with several kinds of layers a dict by kind."""
        columns = torch.arange(width, device=position.device)
        at = position[..., None]
        seen = columns <= at
        window = getattr(self._config, "sliding_window", None)
        if len(self._kinds) > 1:
            near = seen & (columns > at - window) if window else seen
            return {kind: _float(near if kind == "sliding_attention" else seen, dtype) for kind in self._kinds}
        slides = self._kinds == ["sliding_attention"] or (not self._kinds and window)
        return _float(seen & (columns > at - window) if slides else seen, dtype)


def _float(seen: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.where(seen, 0.0, torch.finfo(dtype).min).to(dtype)[:, None]
