"""Tiny random checkpoints in Transformers format, for tests: a byte-level tokenizer with a chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForCausalLM,
    MptConfig,
    MptForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

torch.set_num_threads(1)      # two threads on a busy machine wait for each other at every operation

TEMPLATE = ("{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>{% endif %}")
SPECIAL = ["<s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<pad>"]


def tokenizer(template: str | None = TEMPLATE, extra: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """One token per byte, and the special ones."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {letter: i for i, letter in enumerate([*letters, *extra])}
    inner = Tokenizer(models.BPE(vocab=ids, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="<|end|>", pad_token="<pad>",
                                   additional_special_tokens=SPECIAL[2:5])
    made.chat_template = template
    return made


def _sizes(vocabulary: int, **changes: Any) -> dict[str, Any]:
    return {"vocab_size": vocabulary, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 512, "initializer_range": 0.4,
            "bos_token_id": None, "eos_token_id": None, "pad_token_id": None, **changes}


@torch.inference_mode(False)
def network(family: str = "llama", vocabulary: int = 262, seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A random network: `llama` (one KV head per head), `qwen2` and `qwen3` (grouped), `qwen2_mixed`, `gemma2` and `gemma3`
    (sliding by layer), `mistral` (sliding), `gpt_neox`, `gpt2`, `mpt` (ALiBi),
    `verifier`. Windows are 7 tokens."""
    torch.manual_seed(seed)
    grouped = {"num_key_value_heads": 2}
    match family:
        case "llama":
            made = LlamaForCausalLM(LlamaConfig(**_sizes(vocabulary, **changes)))
        case "verifier":
            made = LlamaForSequenceClassification(LlamaConfig(**_sizes(vocabulary, num_labels=1, **changes)))
        case "qwen2":
            made = Qwen2ForCausalLM(Qwen2Config(**_sizes(vocabulary, **grouped, **changes)))
        case "qwen3":
            made = Qwen3ForCausalLM(Qwen3Config(**_sizes(vocabulary, head_dim=8, **grouped, **changes)))
        case "qwen2_mixed":
            made = Qwen2ForCausalLM(Qwen2Config(**_sizes(vocabulary, sliding_window=7, use_sliding_window=True, max_window_layers=1,
                                                         layer_types=["full_attention", "sliding_attention"], **grouped, **changes)))
        case "gpt_neox":
            sizes = _sizes(vocabulary, **changes)
            del sizes["num_key_value_heads"]
            made = GPTNeoXForCausalLM(GPTNeoXConfig(**sizes))
        case "mpt":
            made = MptForCausalLM(MptConfig(vocab_size=vocabulary, d_model=32, n_heads=4, n_layers=2, max_seq_len=512, **changes))
            for weight in made.parameters():
                if weight.dim() > 1:
                    weight.data.normal_(0, 0.4)
        case "gemma2":
            made = Gemma2ForCausalLM(Gemma2Config(**_sizes(vocabulary, head_dim=8, sliding_window=7, **grouped, **changes)))
        case "mistral":
            made = MistralForCausalLM(MistralConfig(**_sizes(vocabulary, sliding_window=7, **grouped, **changes)))
        case "gemma3":
            from transformers import Gemma3ForCausalLM, Gemma3TextConfig
            kinds = ["sliding_attention", "full_attention"]
            made = Gemma3ForCausalLM(Gemma3TextConfig(**_sizes(vocabulary, head_dim=8, sliding_window=7, layer_types=kinds,
                                                              **grouped, **changes)))
        case _:
            made = GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=4, n_positions=512,
                                              initializer_range=0.4, bos_token_id=None, eos_token_id=None, **changes))
    return made.eval()


def checkpoint(folder: Path, family: str = "llama", seed: int = 0, template: str | None = TEMPLATE,
               extra: tuple[str, ...] = (), **changes: Any) -> Path:
    """A saved random checkpoint with its tokenizer."""
    words = tokenizer(template, extra)
    network(family, len(words), seed, **changes).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
