"""Sub-questions: reading lists, depth, what is known and what is open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.subquestions import Parts

LISTED = "1. How many apples? -> 3\n2) How many pears? -> 4\n 3: How many in all? -> 7\nThat is all."


def test_lists_as_models_write_them() -> None:
    parts = Parts.read(LISTED, "1: none\n2: none\n3: 1, 2 and 9")
    assert list(parts.texts) == [1, 2, 3] and parts.needs[3] == {1, 2}
    assert parts.known == "How many apples? -> 3\nHow many pears? -> 4" and parts.open == "How many in all?"


@pytest.mark.parametrize(("depends", "depth"), [("2: 1\n3: 2", 3), ("3: 1, 2", 2), ("", 1), ("1: 2\n2: 1", 0), ("1: 1", 0)])
def test_depth(depends: str, depth: int) -> None:
    assert Parts.read(LISTED, depends).depth == depth
    assert Parts.read("", depends).depth == 0


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_is_read(listed: str, depends: str) -> None:
    parts = Parts.read(listed, depends)
    assert 0 <= parts.depth <= len(parts.texts)
