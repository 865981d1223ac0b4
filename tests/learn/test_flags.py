"""Flags in questions: what is understood, what is refused, what is taken out."""

from __future__ import annotations

import pytest

from consilience.errors import ConfigError, TeamError
from consilience.learn.flags import Flags, read_flags, strip_flags
from consilience.types import Message, Request


def test_flags_are_read_and_taken_out() -> None:
    text, flags = read_flags("Why? [flag: size 0.5, max price = 2.5]\n[Flags: max size: 7B, MAX latency 3]")
    assert text == "Why?" and flags == Flags({"size": .5}, {"price": 2.5, "size": 7e9, "latency": 3.0})


@pytest.mark.parametrize("text", ["Is [size 3] a flag?", "a [flag] of France", "", "x[0] + y[1]", "  two spaces "])
def test_other_brackets_stay(text: str) -> None:
    assert read_flags(text) == (text, Flags())


def test_unknown_ones_are_named_and_negative_ones_refused() -> None:
    assert read_flags("Hi [flag: colour 2, size big, size 1]")[1] == Flags({"size": 1.0}, {}, ("colour 2", "size big"))
    with pytest.raises(ConfigError, match="negative"):
        read_flags("Hi [flag: size -1]")


def test_only_the_last_user_message_is_read() -> None:
    old, new, answer = Message("user", "a [flag: size 1]"), Message("user", "b [flag: price 1]"), Message("assistant", "c")
    request, flags = strip_flags(Request((old, answer, new, answer)))
    assert flags == Flags({"price": 1.0}) and [m.content for m in request.messages] == ["a [flag: size 1]", "c", "b", "c"]
    assert strip_flags(Request(()))[1] == Flags()


def test_penalties_and_limits() -> None:
    sizes = {"size": [1e9, None, 4e9], "price": [None, None, None], "latency": [0.0, 0.0, 0.0]}
    assert Flags({"size": .4, "latency": 1.0}).penalties(sizes) == [.1, .4, .4]
    assert Flags({"price": .3}).penalties(sizes) == [.3] * 3 and Flags().penalties(sizes) == [0.0] * 3
    assert Flags(limits={"size": 2e9}).allowed(sizes) == [0] and Flags().allowed(sizes) == [0, 1, 2]
    with pytest.raises(TeamError, match="max size 5e\\+08, and theirs are 1e\\+09, unknown, 4e\\+09"):
        Flags(limits={"size": 5e8}).allowed(sizes)
