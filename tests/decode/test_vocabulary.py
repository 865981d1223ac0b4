"""Ids as bytes: every kind of tokenizer gives back the text that it was given, byte by byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from consilience.decode.vocabulary import Vocabulary, tokenizer_of
from consilience.errors import ConfigError, ModelError
from tests.decode.words import byte_level, sentence_piece, word_piece
from tests.models.local.tiny import tokenizer

KINDS = {"byte-level": byte_level, "bytes": tokenizer, "sentence-piece": sentence_piece}
UNICODE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"), max_size=40)


def vocabulary(made: PreTrainedTokenizerFast) -> Vocabulary:
    return Vocabulary.of(made, len(made), {made.eos_token_id})


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150)
@given(text=UNICODE)
def test_pieces_are_the_bytes_of_any_text(kind: str, text: str) -> None:
    made = KINDS[kind]()
    assert vocabulary(made).text(made(text, add_special_tokens=False)["input_ids"]) == text.encode()


def test_special_tokens_are_no_text_and_added_words_are() -> None:
    made = tokenizer(extra=("zz",))
    made.add_tokens(["été!"])
    words = vocabulary(made)
    assert words.text([made.bos_token_id, *made("a", add_special_tokens=False)["input_ids"], made.eos_token_id]) == b"a"
    assert words.text([made.convert_tokens_to_ids("été!")]) == "été!".encode()
    assert words.ends == {made.eos_token_id} <= words.special
    assert words == vocabulary(made) != vocabulary(tokenizer()) and len({words, vocabulary(made)}) == 1


def test_what_opens_a_word() -> None:
    made = byte_level()
    words = vocabulary(made)
    opens = {p for p, yes in zip(words.pieces, words.opens_word, strict=True) if yes}
    assert b" the" in opens and b"\n" in opens and b"the" not in opens and b"" not in opens


def test_the_first_piece_of_what_is_missing() -> None:
    words = Vocabulary((b"th", b" ", b"t", b"e", b" the"))
    assert words.first(b"th") == 0
    assert words.first(b"them") == 0, "the longest piece that it begins with"
    assert words.first(b" them") == 0, "white space in front is left out"
    assert words.first(b"xyz") == -1
    assert words.first(b"  ") == 1


def test_tokenizers_that_are_not_made_of_pieces_are_refused() -> None:
    with pytest.raises(ModelError, match="not pieces of text") as caught:
        Vocabulary.of(word_piece(), 3)
    assert caught.value.reason == "refused"


def test_tokenizers_of_folders(tmp_path: Path) -> None:
    tokenizer().save_pretrained(tmp_path / "whole")
    found = tokenizer_of(tmp_path / "whole")
    assert type(found) is PreTrainedTokenizerFast and found.get_vocab() == tokenizer().get_vocab()
    (tmp_path / "empty").mkdir()
    broken = shutil.copytree(tmp_path / "whole", tmp_path / "broken")
    (broken / "tokenizer_config.json").write_text("{")
    cut = shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    (cut / "tokenizer.json").write_text('{"version": "1.0"}')
    newer = shutil.copytree(tmp_path / "whole", tmp_path / "newer")
    (newer / "tokenizer.json").write_text('{"version": "1.0", "added_tokens": [], "model": {"type": "Unheard"}}')
    for name in ("empty", "broken", "cut", "newer"):
        with pytest.raises(ConfigError, match=f"the tokenizer of .*{name} cannot be loaded"):
            tokenizer_of(tmp_path / name)
