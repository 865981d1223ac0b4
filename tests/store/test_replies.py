"""Replies survive being written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import StoreError
from consilience.store import pack, unpack
from consilience.types import Absent, Message, Reply, Token, Usage

number = st.floats(allow_nan=False)
text = st.text(st.characters(codec=None), max_size=20)      # lone surrogates too
note = st.dictionaries(text, st.one_of(st.none(), st.booleans(), st.integers(), number, text, st.lists(number)), max_size=3)
token = st.builds(Token, text, number, st.lists(st.tuples(text, number), max_size=2).map(tuple))
leaf = st.builds(
    Reply, st.none() | text, reading=st.none() | text, stop=st.sampled_from(["stop", "length", "error"]),
    usage=st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), cost=st.none() | number,
    seconds=number, model=text, asked=text, draw=st.integers(0, 9), started=number, reasoning=text,
    tokens=st.none() | st.lists(token, max_size=2).map(tuple), score=st.none() | number,
    absent=st.lists(st.builds(Absent, text, text, text), max_size=2).map(tuple), unread=st.booleans(), note=note,
    prompt=st.lists(st.builds(Message, text, text, st.none() | st.text(min_size=1, max_size=5)), max_size=2).map(tuple))
tree = st.recursive(leaf, lambda inner: st.builds(
    lambda reply, parts: reply.having(parts=tuple(parts)), leaf, st.lists(inner, max_size=3)), max_leaves=5)


@given(tree)
def test_round_trip(reply: Reply) -> None:
    assert unpack(pack(reply)) == reply


def test_defaults_are_left_out() -> None:
    assert json.loads(pack(Reply("hi"))) == {"text": "hi"}


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(StoreError, match="not JSON"):
        pack(Reply("hi", model="m", note={"value": object()}))


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "a", "nothing": 1}', '{"text": "a", "usage": [1, 2, 3, 4]}'])
def test_a_broken_line_is_an_error(line: str) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        unpack(line)
