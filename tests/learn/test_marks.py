"""Marks of final answers."""

from __future__ import annotations

import pytest

from consilience.learn.marks import after_mark


@pytest.mark.parametrize(("text", "found"), [
    ("Final answer: 7", "7"), ("**Final Answer:** 7", "7"), ("final solution: a\nFinal answer:\n```b```", "b"), ("7", None),
    ("**Final answer:** -5", "-5"), ("Final answer: .5", ".5"), ("Final answer: $\\boxed{3}$", "$\\boxed{3}$"), ("Final answer: (B)", "(B)"),
    ("Final answer:", None), ("The final answer is 7", None)])
def test_what_follows_the_last_mark(text: str, found: str | None) -> None:
    assert after_mark(text) == found
