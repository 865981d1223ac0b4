"""Real tokenizers of several kinds, made here: byte-level with merges, plain bytes, sentence pieces with byte fallback."""

from __future__ import annotations

from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = ["the theory of the thing", "def f(x):\n    return x\n", "naïve café, où es-tu?", "日本語の文", "42 + 17 = 59", " then there"] * 4


@cache
def byte_level(size: int = 330) -> PreTrainedTokenizerFast:
    """GPT-2's kind, with merges."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=["<s>", "</s>"], show_progress=False)
    inner.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")


@cache
def sentence_piece() -> PreTrainedTokenizerFast:
    """Llama's kind: spaces as U+2581, bytes that no piece covers as <0x..>."""
    pieces = ["<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "\u2581", *"abcdefghijklmnopqrstuvwxyz",
              "th", "the", "\u2581the", "\u2581th", "in", "ing", "é"]
    merges = [("t", "h"), ("th", "e"), ("\u2581", "the"), ("\u2581", "th"), ("i", "n"), ("in", "g")]
    inner = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=merges, byte_fallback=True, fuse_unk=True,
                                 unk_token="<s>"))
    inner.normalizer = normalizers.Replace(" ", "\u2581")
    inner.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")


@cache
def word_piece() -> PreTrainedTokenizerFast:
    """BERT's kind, which is not made of pieces of the text."""
    inner = Tokenizer(models.WordPiece({"[UNK]": 0, "the": 1, "##me": 2}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.decoder = decoders.WordPiece()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]")
