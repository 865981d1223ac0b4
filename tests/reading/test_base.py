"""Grouping and scoring by key."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from consilience.reading import F1, Choice, Exact, Free, Literal, Number, YesNo

FORMATS = [Choice(4), Number(), Exact(), F1(), Free(), Literal(), YesNo()]


@given(st.lists(st.one_of(st.none(), st.text(min_size=1, max_size=20)), max_size=12))
def test_groups_are_numbered_by_first_appearance(texts: list[str | None]) -> None:
    for format in FORMATS:
        readings = [None if t is None else format.read(t) for t in texts]
        groups = asyncio.run(format.group(readings))
        assert [g is None for g in groups] == [r is None for r in readings]
        seen = [g for g in groups if g is not None]
        assert list(dict.fromkeys(seen)) == list(range(len(set(seen))))
        for one, first in zip(readings, groups, strict=True):
            assert all(second == first for other, second in zip(readings, groups, strict=True) if one == other)


@given(st.text(min_size=1, max_size=60))
def test_scores_lie_between_0_and_1(text: str) -> None:
    for format in FORMATS:
        assert 0.0 <= asyncio.run(format.score(format.read(text), [text, "C", "4"])) <= 1.0
