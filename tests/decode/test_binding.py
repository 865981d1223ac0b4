"""Which models are let in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    FalconConfig,
    FalconForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedModel,
    RwkvConfig,
    RwkvForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from consilience.decode import binding
from consilience.decode.binding import bind, vocabulary
from consilience.errors import ModelError
from tests.models.local.tiny import network, tokenizer


def test_bloom_is_refused_by_name_with_what_was_found() -> None:
    model = BloomForCausalLM(BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=4)).eval()
    with pytest.raises(ModelError, match=r"'bloom'.*BloomForCausalLM.*tolerance 0\.0001") as caught:
        bind(model)
    assert caught.value.reason == "refused"


def test_states_without_columns_are_refused() -> None:
    model = MambaForCausalLM(MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4)).eval()
    with pytest.raises(ModelError, match="'mamba'"):
        bind(model)


@pytest.mark.parametrize(("made", "name"), [
    (lambda: RwkvForCausalLM(RwkvConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2)), "rwkv"),
    (lambda: FalconForCausalLM(FalconConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                            alibi=True)), "falcon"),
])
def test_other_families_that_cannot_work_are_refused_with_a_reason(made: Callable[[], PreTrainedModel], name: str) -> None:
    with pytest.raises(ModelError, match=f"'{name}'.*as an endpoint") as caught:
        bind(made().eval())
    assert caught.value.reason == "refused"


def test_kinds_of_layers_that_short_rows_cannot_tell_apart_are_refused_by_name() -> None:
    """Chunked attention is full attention until a text is longer than a chunk, which no quick test would see."""
    model = network("llama", 97)
    model.config.layer_types = ["full_attention", "chunked_attention"]
    with pytest.raises(ModelError, match="layers of the kinds chunked_attention"):
        bind(model)


def test_encoder_decoders_are_refused() -> None:
    with pytest.raises(ModelError, match="encoder-decoder"):
        bind(T5ForConditionalGeneration(T5Config(vocab_size=97, d_model=32, d_ff=32, num_layers=1, num_heads=2, d_kv=16)))


def test_soft_caps_run_with_plain_attention() -> None:
    model = Gemma2ForCausalLM(Gemma2Config(vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                                           num_attention_heads=4, num_key_value_heads=2, head_dim=8, sliding_window=8,
                                           initializer_range=0.4)).eval()
    assert bind(model).lean is None
    assert model.config._attn_implementation == "eager"


def test_a_wrong_window_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test shortens the window, so that a mask without one shows even in short rows."""
    model = network("mistral", 97)
    model.config.sliding_window = 4096
    assert bind(model).limit == 512
    assert model.config.sliding_window == 4096

    from consilience.decode import slots
    plain_of = slots._Masks.of

    def windowless(self: slots._Masks, position: torch.Tensor, width: int, dtype: torch.dtype) -> object:
        held, self._config = self._config, type("NoWindow", (), {"sliding_window": None})()
        try:
            return plain_of(self, position, width, dtype)
        finally:
            self._config = held

    monkeypatch.setattr(slots._Masks, "of", windowless)
    with pytest.raises(ModelError, match="'mistral'.*relative difference"):
        bind(model)


def test_a_lean_forward_that_disagrees_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    first = bind(network("qwen2", 97))
    assert first.lean is not None and first.verdict.lean
    assert bind(network("qwen2", 97), first.verdict).lean is not None
    monkeypatch.setattr(binding.Lean, "__call__", lambda self, slots, ids, *rest: torch.zeros(*ids.shape, 97))
    second = bind(network("qwen2", 97))
    assert second.lean is None and not second.verdict.lean


def test_fusing_leaves_the_library_forward_as_it_was() -> None:
    ids = torch.randint(0, 97, (2, 9))
    model = network("qwen2", 97)
    before = model(ids).logits
    assert bind(model).lean is not None
    torch.testing.assert_close(model(ids).logits, before, atol=1e-5, rtol=0)


def test_vocabulary_ignores_padding_rows_and_sees_other_tokens() -> None:
    words = tokenizer()
    digest, used = vocabulary(words, 262)
    assert used == len(words) == 262
    assert vocabulary(words, 320) == (digest, used)
    assert vocabulary(tokenizer(extra=("zz",)), 320)[0] != digest
