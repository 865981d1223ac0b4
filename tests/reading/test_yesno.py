"""Yes and no."""

import asyncio

import pytest

from consilience.reading import YesNo


@pytest.mark.parametrize(("text", "word"), [
    ("yes", "yes"), ("No.", "no"), ("The answer is yes.", "yes"), ("yes or no", None), ("Yes, because no one did.", "yes"),
    ("true", "yes"), ("False", "no"), ("maybe", None), ("I cannot say yes", None), ("Step 1.\nSo it is right: yes", "yes"),
    (r"\boxed{no}", "no"), ("<think>no</think>Yes", "yes"), ("", None), ("No one knows.", None),
    ("That is not true.", "no"), ("That isn't true.", "no"), ("It is not false.", "yes"), ("yes and no", None), ("Yes and that is it.", "yes"),
    ("<answer>no</answer>", "no"),
])
def test_words(text: str, word: str | None) -> None:
    assert YesNo().read(text) == word


def test_score_and_group() -> None:
    assert asyncio.run(YesNo().score("yes", ["True"])) == 1.0 and asyncio.run(YesNo().score("yes", ["no"])) == 0.0
    assert asyncio.run(YesNo().group(["yes", None, "no", "yes"])) == [0, None, 1, 0]
