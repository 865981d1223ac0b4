"""Partial credit by shared words."""

import asyncio

import pytest

from consilience.reading import F1
from consilience.reading.f1 import f1
from consilience.reading.text import words


def score(text: str, *references: str) -> float:
    return asyncio.run(F1().score(F1().read(text), references))


def test_the_worked_example() -> None:
    assert f1(words("red big car"), words("the red car")) == pytest.approx(0.8)


def test_best_reference_and_cut() -> None:
    assert score("The answer is association football, which is a sport.", "football", "association football") == 1.0
    assert score("It is soccer", "soccer") == pytest.approx(0.5)


def test_nothing_for_nothing() -> None:
    assert score("", "The") == score("I cannot help with that", "help with that") == 0.0
    assert score("In which city was Paris Hilton born?", "Paris") == 0.0
    assert f1([], []) == 1.0 and f1(["a"], []) == f1([], ["a"]) == 0.0


def test_symbols_are_not_lost() -> None:
    assert score("A", "A") == 1.0 and score("", "A") == 0.0


def test_groups_by_words() -> None:
    assert asyncio.run(F1().group(["The red car", "red car!", None, "bus"])) == [0, 0, None, 1]
