"""From ids to text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from consilience.decode.text import Thinking, Watcher, first_stop, held_back


def decode(ids: Sequence[int]) -> str:
    return bytes(ids).decode("utf-8", errors="replace")


def run(text: str, stops: tuple[str, ...], thinking: Thinking | None = None, opened: bool = False,
        sizes: Sequence[int] = (1,)) -> tuple[str, str]:
    """What was emitted of a text that comes in tokens of so many bytes, and all that was decoded."""
    pieces: list[str] = []
    split = (lambda raw: thinking.split(raw, opened)) if thinking else (lambda raw: ("", raw))
    watcher = Watcher(decode, split, stops, pieces.append)
    ids: list[int] = []
    left, size = list(text.encode()), cycle(sizes)
    while left:
        step = next(size)
        ids, left = ids + left[:step], left[step:]
        if watcher(ids):
            break
    answer = split(decode(ids))[1]
    at = first_stop(answer, stops)
    final = watcher.close(answer if at < 0 else answer[:at])
    assert final == "".join(pieces)
    return final, decode(ids)


def test_stop_strings_cross_token_borders_and_never_show() -> None:
    assert run("one two END three", ("END",)) == ("one two ", "one two END")
    assert run("ab\n\nc", ("\n\n",))[0] == "ab"
    assert run("EN END", ("END",))[0] == "EN "
    assert held_back("abcEN", ("END",)) == 2


@given(st.text(max_size=30), st.lists(st.text(min_size=1, max_size=3), max_size=3),
       st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_the_pieces_are_the_text_before_the_first_stop(text: str, stops: list[str], sizes: list[int]) -> None:
    final, _ = run(text, tuple(stops), sizes=sizes)
    at = first_stop(text, stops)
    clean = text if at < 0 else text[:at]
    assert final == clean or "\ufffd" in text


def test_characters_come_whole() -> None:
    assert run("naïve 🙂 東京", ())[0] == "naïve 🙂 東京"


def test_thinking_is_kept_apart() -> None:
    marks = Thinking()
    assert marks.split("<think>hm, 4?</think>\n\nFour.", False) == ("hm, 4?", "Four.")
    assert marks.split("hm</think>Four.", True) == ("hm", "Four.")
    assert marks.split("never closed", True) == ("never closed", "")
    assert marks.split("2 < 3, so </think> is odd", False) == ("", "2 < 3, so </think> is odd")
    assert Thinking("", "[END]").split("ponder [END] yes", False) == ("ponder", "yes")
    assert run("<think>a\n\nb</think>\n\nYes.\n\nMore", ("\n\n",), marks)[0] == "Yes."
    assert run("a</think>Yes", (), marks, opened=True)[0] == "Yes"
