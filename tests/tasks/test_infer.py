"""Formats found from references."""

import pytest

from consilience.reading import Choice, Exact, Math, Number
from consilience.tasks.infer import lettered, of_question, shared, truncated


@pytest.mark.parametrize(("references", "format"), [
    (["12", "1,200", "-5", "$3.50"], Number()), ([r"\frac{1}{2}", "3"], Math()), (["yes", "No", "no", "yes"] * 3, Exact(("No", "yes"))),
    (["Paris", "Rome"], Exact()), ([f"word {i}" for i in range(40)], Exact()), (["[(4, 1)]", "'a\\tb'"] * 60, Exact()), (["A", "B"] * 9, Exact()),
])
def test_shared(references: list[str], format: object) -> None:
    assert shared(references) == format


def test_lettered_options() -> None:
    assert lettered("Which?\nOptions:\n(A) red\n(B) blue") == ("red", "blue")
    assert lettered("Q (A) no list\nA. one\nB. two\nC. three\nAnswer:") == ("one", "two", "three")
    assert lettered("A. only one") == () and lettered("A. one\nC. three") == () and lettered("none") == ()
    assert truncated("Which?\nOptions:\n(A) red") and not truncated("Which?\nOptions:\n(A) red\n(B) blue")


def test_choice_only_where_the_reference_is_an_option() -> None:
    question = "Which?\n(A) red\n(B) blue"
    assert of_question(question, "(B)", Exact()) == of_question(question, "blue", Exact()) == Choice(2, ("red", "blue"))
    assert of_question(question, "C", Exact()) == of_question("no list", "A", Exact()) == Exact()
