"""Lessons as models write them."""

from __future__ import annotations

import pytest

from consilience.learn.bank import Lesson, lessons

ITEM = Lesson("Look twice", "Check signs.", "A minus is easily lost.")


@pytest.mark.parametrize("text", [
    "Title: Look twice\nDescription: Check signs.\nContent: A minus is easily lost.",
    "# Memory Item 1\n## Title: Look twice\n## Description: Check signs.\n## Content: A minus is easily lost.",
    "1. **Title:** Look twice\n   **Description:** Check signs.\n   **Content:** A minus is easily lost.",
    "Sure!\n- title: Look twice\n- description: Check signs.\n- content: A minus is easily lost.\nGood luck."])
def test_usual_spellings(text: str) -> None:
    assert lessons(text, 3) == (ITEM,)


def test_at_most_so_many_and_only_whole_ones() -> None:
    whole = "Title: {0}\nDescription: d\nContent: c\n"
    assert [one.title for one in lessons("".join(whole.format(i) for i in "abcde"), 3)] == ["a", "b", "c"]
    assert [one.title for one in lessons("Title: half\nContent: c\n" + whole.format("b"), 3)] == ["b"]
    assert lessons("nothing here", 3) == () == lessons("Content: c\nTitle:\nDescription: d", 3)
