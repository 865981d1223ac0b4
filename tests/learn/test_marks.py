"""Marks of final answers."""

from __future__ import annotations

import pytest

from consilience.learn.marks import after_mark, concluded
from consilience.reading import Choice
from consilience.types import Reply


@pytest.mark.parametrize(("text", "found"), [
    ("Final answer: 7", "7"), ("**Final Answer:** 7", "7"), ("final solution: a\nFinal answer:\n```b```", "b"), ("7", None),
    ("**Final answer:** -5", "-5"), ("Final answer: .5", ".5"), ("Final answer: $\\boxed{3}$", "$\\boxed{3}$"), ("Final answer: (B)", "(B)"),
    ("Final answer:", None), ("The final answer is 7", None)])
def test_what_follows_the_last_mark(text: str, found: str | None) -> None:
    assert after_mark(text) == found


def test_conclusions_follow_the_mark() -> None:
    form = Choice(4)
    assert concluded(Reply("A seems right, but. Final answer: B"), form).text == "B"
    assert concluded(Reply("Final answer: hm, A"), form).reading in ("A", None)
    whole = Reply("The answer is C.").read(form)
    assert concluded(whole, form) is whole
