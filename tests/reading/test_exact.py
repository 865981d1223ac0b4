"""Short texts that must match."""

import asyncio

import pytest

from consilience.errors import ConfigError
from consilience.reading import Exact

CLOSED = Exact(("yes", "no", "maybe"))


def score(text: str, *references: str, format: Exact = Exact()) -> float:
    return asyncio.run(format.score(format.read(text), references))


@pytest.mark.parametrize(("reply", "gold"), [
    ("The answer is A.", "A"), ("(B)", "B"), ("B) the second", "(B)"), ("Yes.", "yes"), ("**valid**", "valid"), ("the car", "car"),
    ("42", "42.0"), ("$1,200", "1200"), (r"\boxed{\text{red}}", "red"), ("[(4, 1), (2, 3)]", "[(4, 1), (2, 3)]"), ("Red  Car", "red car"),
    ("The answer is valid, which completes the solution.", "valid"), ("Some work.\nOslo, Quito", "Oslo, Quito"), ("] ) }", "] ) }"),
    ('{"answer": "blue"}', "blue"), ('"hello"', "hello"), ("Let me see\nA: 05/01/2021", "05/01/2021"),
])
def test_equal(reply: str, gold: str) -> None:
    assert score(reply, gold) == 1.0


@pytest.mark.parametrize(("reply", "gold"), [
    ("", "A"), ("", "the"), ("1.5", "15"), ("-5", "5"), ("x+1", "x1"), ("50%", "50"), ("b a c", "a b c"), ("b c", "a b c"),
    ("I cannot help with that", "that"), ("Is it valid or invalid?", "valid"), ("C++", "C"), ("12", "1,2"),
])
def test_unequal(reply: str, gold: str) -> None:
    assert score(reply, gold) == 0.0


@pytest.mark.parametrize(("text", "word"), [
    ("yes", "yes"), ("Yes, because no one said so.", "yes"), ("The answer is maybe.", "maybe"), ("**No**", "no"), ("yes or no", None),
    ("It could be anything.", None), ("Options:\n- yes\n- no", None), ("Work.\n\nno", "no"), ("It follows that the claim is no.", "no"),
    ("Answer 'yes', 'no', or 'maybe'.", None), ("nothing", None), ("", None), ('{"answer": "YES"}', "yes"), ("Is it no?", None),
])
def test_closed_lists(text: str, word: str | None) -> None:
    assert CLOSED.read(text) == word


def test_groups_by_key() -> None:
    assert asyncio.run(Exact().group(["The car", None, "car.", "Bus"])) == [0, None, 0, 1]


def test_names_and_values() -> None:
    assert Exact().name == "exact/1" and CLOSED.name == "exact-yes|no|maybe/1" and Exact() == Exact()
    assert "yes, no, maybe" in CLOSED.instruction
    for bad in (("yes", "Yes"), ("a|b",), ("",)):
        with pytest.raises(ConfigError, match="distinct"):
            Exact(bad)
