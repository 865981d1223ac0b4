"""One text in several vocabularies: what a member has read is always a fresh encoding of the text, or its own tokens."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.decode.bridge import Bridge
from consilience.decode.vocabulary import Vocabulary
from tests.decode.test_vocabulary import UNICODE, vocabulary
from tests.decode.words import byte_level, sentence_piece
from tests.models.local.tiny import tokenizer

TOKENIZERS = (byte_level(), tokenizer(), sentence_piece())


@cache
def words() -> tuple[Vocabulary, ...]:
    return tuple(vocabulary(t) for t in TOKENIZERS)


def encoded(member: int, text: str) -> list[int]:
    return list(TOKENIZERS[member](text, add_special_tokens=False)["input_ids"])


def bridge(prompt: str = "Once") -> Bridge:
    return Bridge([encoded(m, prompt) for m in range(3)], [lambda text, m=m: encoded(m, prompt + text) for m in range(3)], words())


@settings(max_examples=120)
@given(parts=st.lists(st.tuples(st.integers(0, 2), UNICODE), max_size=6), seed=st.integers(0, 99))
def test_whoever_writes_everybody_reads_the_same_bytes(parts: list[tuple[int, str]], seed: int) -> None:
    """Authors write pieces of random Unicode token by token; readers join at random; caches go back where they must."""
    made, chance, text = bridge(), random.Random(seed), b""
    caches: list[list[int]] = [[], [], []]
    for author, part in parts:
        for token in encoded(author, part):
            if not made.readable(author):
                break
            read(made, caches, author)
            made.write(author, token)
            caches[author].append(token)
            text += words()[author].pieces[token]
            other = chance.randrange(3)
            if made.readable(other) and chance.random() < 0.4:
                read(made, caches, other)
                if other != author:
                    assert words()[other].text(caches[other]) == b"Once" + made.said.decode("utf-8", "replace").encode()
    assert made.said == text == b"".join(made.pieces)
    if made.whole:
        for member in range(3):
            read(made, caches, member)


def read(made: Bridge, caches: list[list[int]], member: int) -> None:
    """What an engine does: keep what holds, push the rest."""
    stale = made._upto[member] != len(made.said)
    kept = made.keep(member, len(caches[member]))
    caches[member] = caches[member][:kept] + made.ids[member][kept:]
    assert caches[member] == made.ids[member]
    if stale:
        assert caches[member] == encoded(member, "Once" + made.said.decode("utf-8", "replace"))


@pytest.mark.parametrize("text", ["🙂", "naïve 日本", "if x:\n    y"])
def test_within_a_character_only_its_author_goes_on(text: str) -> None:
    made = bridge()
    for token in encoded(1, text):      # plain bytes
        made.write(1, token)
        complete = not made.said or len(made.said.decode("utf-8", "ignore").encode()) == len(made.said)
        assert made.whole == complete == made.readable(0) and made.readable(1)
    assert made.said.decode() == text


def test_a_stranger_s_tokens_may_join_with_those_before_them() -> None:
    """Re-tokenisation at the border: "th" by one and "e" by the other is "the" in one token for a reader, whose cache of
    "th" goes back."""
    made = bridge("so ")
    caches: list[list[int]] = [[], [], []]
    [th] = encoded(2, "th")
    read_ids = made.refresh(2)
    made.write(2, th)
    made.keep(0, 0)
    before = list(made.ids[0])
    for token in encoded(1, "e"):
        made.refresh(1)
        made.write(1, token)
    kept = made.keep(0, len(before))
    assert made.ids[0] == encoded(0, "so the") and kept == len(encoded(0, "so the")) - 1 < len(before)
    assert read_ids == len(encoded(2, "so ")) and caches == [[], [], []]
    assert made.ids[2][-1] == th, "the writer keeps its own ids until it is asked again"
    assert made.keep(2, 99) < 99 and made.ids[2] == encoded(2, "so the")


def test_bytes_that_can_be_no_character_are_read_as_a_mark() -> None:
    made = bridge()
    [lead] = [i for i, p in enumerate(words()[1].pieces) if p == b"\xc3"]
    made.write(1, lead)
    assert not made.whole and not made.readable(0)
    made.write(1, encoded(1, "a")[0])
    assert made.whole and made.readable(0)
    made.refresh(0)
    assert made.ids[0] == encoded(0, "Once\ufffda") and made.said == b"\xc3a"


def test_pieces_of_nobody_within_a_character_go_to_those_who_have_them() -> None:
    made = bridge()
    made.write_piece("é".encode()[:1])
    assert made.readable(0) and made.readable(1) and made.readable(2), "all three have single bytes"
    made.write_piece("é".encode()[1:])
    assert made.whole
    for member in range(3):
        made.refresh(member)
        assert made.ids[member] == encoded(member, "Onceé")


def test_writing_without_having_read_is_a_mistake() -> None:
    made = bridge()
    made.write(0, encoded(0, "a")[0])
    with pytest.raises(ValueError, match="cannot write"):
        made.write(1, encoded(1, "b")[0])
