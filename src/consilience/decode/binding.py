"""What is checked when a model is bound to the engine: that its family works with slots, and whose ids can be mixed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from consilience.decode import attention
from consilience.decode.lean import Lean
from consilience.decode.slots import Slots
from consilience.errors import ModelError
from consilience.types import digest

ELSEWHERE = "Serve it with an OpenAI-compatible server and use it as an endpoint."
NAN = "its own logits are not finite numbers"
TOLERANCE = 1e-4
"""Largest difference from a plain forward in float32, per unit of the largest logit (at least 1)."""
TOLERANCE_HALF = 0.06
"""The same in 16-bit formats."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the test found: the attention function that works, and whether the short forward agrees."""

    attention: str
    lean: bool


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A model that passed the test. `limit` is the longest row (None: no limit known), `lean` its short forward."""

    model: PreTrainedModel
    limit: int | None
    lean: Lean | None
    verdict: Verdict
    memo: dict[Any, Any] = field(default_factory=dict)
    """What policies have prepared for it and its peers; see `policy.Material`."""

    def slots(self) -> Slots:
        """An empty cache."""
        return Slots(self.model, self.limit, self.lean)


def bind(model: PreTrainedModel, known: Verdict | None = None) -> Bound:
    """Make a causal model ready for slots and test it; `known` is an earlier verdict on the same checkpoint.

    Raises ModelError with the family, the difference found and the tolerance when the family does not work.
    """
    config = model.config.get_text_config()
    if model.config.is_encoder_decoder:
        raise ModelError(f"{model.config.model_type} is an encoder-decoder; this engine decodes causal models only")
    if strange := sorted(set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}):
        raise ModelError(f"{model.config.model_type!r} ({type(model).__name__}) has layers of the kinds {', '.join(strange)}; "
                         f"this engine's cache holds full and sliding attention only. {ELSEWHERE}", reason="refused")
    attention.register()
    if known is not None:
        model.set_attn_implementation(known.attention)
        limit = longest_row(config)
        return Bound(model, limit, Lean.of(model, limit) if known.lean else None, known)
    before = config._attn_implementation
    softcap = getattr(config, "attn_logit_softcapping", None)
    tried = ["eager"] if softcap else [attention.NAME, before, "eager"]
    worst: float | str = ""
    for name in dict.fromkeys(tried):
        model.set_attn_implementation(name)
        worst = _difference(model)
        if isinstance(worst, float) and worst <= tolerance(model.dtype):
            return _leanest(model, longest_row(config), name)
    if worst == NAN:
        raise ModelError(f"{model.config.model_type!r} ({type(model).__name__}): {NAN}; its weights hold NaN or overflow",
                         reason="refused")
    found = f"a relative difference of {worst:.2g} from its plain forward" if isinstance(worst, float) else worst
    raise ModelError(f"the family {model.config.model_type!r} ({type(model).__name__}) does not work with this engine's "
                     f"cache: {found} (tolerance {tolerance(model.dtype):.2g}). {ELSEWHERE}", reason="refused")


def _leanest(model: PreTrainedModel, limit: int | None, name: str) -> Bound:
    """With the short forward, where there is one and it agrees."""
    lean = Lean.of(model, limit)
    worst = _difference(model, lean) if lean is not None else ""
    if isinstance(worst, float) and worst <= tolerance(model.dtype):
        return Bound(model, limit, lean, Verdict(name, True))
    return Bound(model, limit, None, Verdict(name, False))


def tolerance(dtype: torch.dtype) -> float:
    """The tolerance for models of this type."""
    return TOLERANCE if dtype == torch.float32 else TOLERANCE_HALF


def longest_row(config: Any) -> int | None:
    """The longest row; where the frequencies depend on the longest row of a batch, the length up to which they do not."""
    rope = getattr(config, "rope_parameters", None) or {}
    longest = getattr(config, "max_position_embeddings", None) or getattr(config, "max_seq_len", None)
    if isinstance(rope, dict) and rope.get("rope_type") in ("dynamic", "longrope"):
        return rope.get("original_max_position_embeddings") or getattr(config, "original_max_position_embeddings", longest)
    return longest


@contextmanager
def _small_window(config: Any) -> Iterator[None]:
    """A sliding window as short as the test's rows, so that a wrong window shows."""
    window = getattr(config, "sliding_window", None)
    if window:
        config.sliding_window = min(window, 6)
    try:
        yield
    finally:
        if window:
            config.sliding_window = window


@torch.inference_mode()
def _difference(model: PreTrainedModel, lean: Lean | None = None) -> float | str:
    """Largest difference between slots and a plain forward over four rows, a ragged push, a rollback, a fork and a push
    to some of the rows, per unit of the largest logit; or what the library said when it refused."""
    config = model.config.get_text_config()
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, config.vocab_size, (5, 24), generator=generator).tolist()
    slots = Slots(model, None, lean)
    worst = scale = 0.0
    try:
        with _small_window(config):
            texts = [row[:n] for row, n in zip(ids, (5, 11, 3, 8), strict=False)]
            got = [slots.push(0, texts)]
            wanted = [_plain(model, texts)]
            ragged = [ids[4][:n] for n in (3, 1, 4, 2)]
            texts = [t + r for t, r in zip(texts, ragged, strict=True)]
            got.append(slots.push(0, ragged))
            wanted.append(_plain(model, texts))
            slots.rollback(1, 2)
            slots.fork(2, [4])
            step = [[7 % config.vocab_size]] * 5
            texts = [(t[:-2] if i == 1 else t) + s for i, (t, s) in enumerate(zip([*texts, texts[2]], step, strict=True))]
            got.append(slots.push(0, step))
            wanted.append(_plain(model, texts))
            some = [texts[i] + ids[i][:n] for i, n in ((1, 1), (4, 3))]
            got.append(slots.push([1, 4], [ids[1][:1], ids[4][:3]]))
            wanted.append(_plain(model, some))
    except (ValueError, RuntimeError, TypeError, AttributeError, IndexError, KeyError, NotImplementedError) as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    if not all(bool(torch.isfinite(b).all()) for b in wanted):
        return NAN
    for a, b in zip(got, wanted, strict=True):
        worst = max(worst, float((a - b).abs().nan_to_num(torch.inf).max()))
        scale = max(scale, float(b.abs().max()))
    return worst / max(1.0, scale)


def _plain(model: PreTrainedModel, texts: list[list[int]]) -> Tensor:
    return torch.stack([model(input_ids=torch.tensor([t], device=model.device), use_cache=False).logits[0, -1].float()
                        for t in texts])


def vocabulary(tokenizer: PreTrainedTokenizerBase, rows: int) -> tuple[str, int]:
    """Digest of the id-to-token map, and the number of ids in use (the highest id and one).

    `rows` is the height of the model's embedding; tokens beyond it do not exist for the model, and rows beyond the
    tokenizer's ids are padding.
    """
    ids = sorted((i, token) for token, i in tokenizer.get_vocab().items() if i < rows)
    return digest(ids), ids[-1][0] + 1
