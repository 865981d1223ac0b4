"""Letters: the worked examples of the rules, and what must not be read."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import ConfigError
from consilience.reading import Choice

CITIES = Choice(4, ("Paris", "Rome", "Berlin", "Prague"))


@pytest.mark.parametrize(("text", "letter"), [
    ("A simple check shows (C).", "C"), ("The answer is **b**", "B"), ("Not A, so the answer is D.", "D"), ("A or B", None),
    ("The answer is A or B.", None), ("The answer is a triangle.", None), ("E", None), (r"\boxed{C}", "C"),
    ("... about data. The answer is D.", "D"), ("Answer: C", "C"), ("**C**", "C"), ("option C", "C"), ("C, because", "C"),
    ("C\nBecause", "C"), ("<think>maybe a. or b.</think> C", "C"), ("<think>maybe C", None), ("I cannot answer", None),
    (r"\boxed{\text{C}}", "C"), (r"$\boxed{(C)}$", "C"), ('{"reasoning": "A?", "answer": "C"}', "C"), ("(A) and (B)", None),
    ("The answer is (A).\nWait, no. The answer is (C).", "C"), ("A. red\nB. blue\nC. green\nD. gray", None),
    ("The drug of choice is:\nA) one\nB) two", None), ("Candidate B is better.", "B"), ("Neither A nor B.", None), ("", None),
    ("I think it is a matter of taste.", None), ("Answer A is wrong. Answer B is right.", "B"), ("A, B, C, D", None),
    ('The answer is "C"', "C"), ("The answer is \u2018C\u2019.", "C"), ("The answer is 'A and C'.", None), ("The answer is <C>", "C"),
    ("Hm.\n<answer>C</answer>", "C"), ("<answer>\n(C) green\n</answer>", "C"), ("<answer>A or C</answer>", None),
    ("c", "C"), ("(c)", "C"), ("c.", "C"), ("no", None), ("\uff23", "C"), ("The answer is \uff08\uff23\uff09", "C"),
    ("It is not (C).", None), ("The answer cannot be C.", None), ("The answer can't be C.", None), ("The answer is definitely C", "C"),
    ("The answer is most likely to be (C).", "C"), ("The answer is probably not C.", None), ("I think it's C.", "C"), ("I'd go with C", "C"),
    ("Thus, it must be (C).", "C"), ("I'd say A or C.", None), ("So A and C.", None), ("I would choose a green one.", None),
    ("The answer is (A) or (C). However, option (C) seems more appropriate.", "C"),
])
def test_letters(text: str, letter: str | None) -> None:
    assert Choice(4).read(text) == letter


@pytest.mark.parametrize(("text", "letter"), [
    ("It is not Paris, it is Berlin. The answer is C.", "C"), ("It must be Berlin.", "C"), ("Paris or Rome.", None),
    ("The answer is B) Rome", "B"), ("Paris is nice. In the end: Prague", "D"),
])
def test_option_texts(text: str, letter: str | None) -> None:
    assert CITIES.read(text) == letter


def test_texts_inside_other_texts() -> None:
    assert Choice(4, ("4", "14", "24", "34")).read("The answer is B) 14") == "B"
    assert Choice(2, ("red", "dark red")).read("It is dark red.") == "B"
    assert Choice(2, ("no", "yes")).read("Nothing is certain") is None


def test_letters_that_are_words_in_long_lists() -> None:
    assert Choice(10).read("The answer is I cannot provide one.") is None
    assert Choice(10).read("The answer is (I).") == "I"


def test_references_are_normalised() -> None:
    for reference in ("C", "(C)", "C.", "C) Berlin", "Berlin", "**C**"):
        assert asyncio.run(CITIES.score("C", [reference])) == 1.0, reference
    assert asyncio.run(CITIES.score("A", ["C"])) == 0.0
    assert asyncio.run(CITIES.score(None, ["C"])) == 0.0


def test_abstentions_are_in_no_group() -> None:
    assert asyncio.run(CITIES.group(["A", None, "B", "A"])) == [0, None, 1, 0]


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 to 26"):
        Choice(27)
    with pytest.raises(ConfigError, match="3 options got 2"):
        Choice(3, ("a", "b"))


def test_equal_by_value() -> None:
    assert Choice(4) == Choice(4) != Choice(5) and hash(Choice(4)) == hash(Choice(4))
    assert Choice(4).name == "choice-4/1" and "letter" in Choice(4).instruction


@given(st.text(max_size=200), st.integers(1, 26))
def test_only_letters_of_the_options_are_read(text: str, n: int) -> None:
    assert Choice(n).read(text) in {None, *(chr(65 + i) for i in range(n))}
