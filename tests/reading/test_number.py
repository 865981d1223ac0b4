"""Numbers: notation, which one is meant, and tolerance."""

import asyncio
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.reading import Number
from consilience.reading.number import number, written


@pytest.mark.parametrize(("text", "value"), [
    ("$1,200.", "1200"), ("3/4", "0.75"), ("2/3", "2/3"), ("about 12 or 13", "13"), ("1.234,5", "1234.5"), ("\u22125", "-5"),
    ("-$5", "-5"), ("$-5", "-5"), ("1 1/2", "1.5"), ("12%", "12"), ("1e3", "1000"), (".5", "0.5"), (r"\frac{1}{2}", "0.5"),
    (r"20,\!000", "20000"), ("1,00,000", "100000"), ("42.0", "42"), ("5 - 3 = 2", "2"), ("10-5", "5"), ("none", None), ("1/0", None),
    ("1.5 \u00d7 10^3", "1500"), (r"3.2 \times 10^{4}", "32000"), ("2 x 10^-3", "0.002"), ("10\u2076", "1000000"), ("10^6", "1000000"),
    ("1e6.", "1000000"), ("1 000 000", "1000000"), ("1\u00a0000", "1000"), ("12\u2009345.5", "12345.5"), ("1'234'567", "1234567"),
    ("1_000", "1000"), ("2019 300", "300"), ("\u00bd", "0.5"), ("3\u00bd", "3.5"), ("12 m\u00b2", "12"), ("x^2", None), ("2^10", None),
    ("2^10 = 1024", "1024"), ("-0.0", "0"), ("\uff14\uff12", "42"), ("\u0663\u0664", "34"),
])
def test_notation(text: str, value: str | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(("text", "value"), [
    ("The answer is 42, because 6*7=42.", "42"), ("The answer is 18 dollars for 3 days.", "18"), ("So she has 5 - 3 = 2 left.", "2"),
    (r"\boxed{42\text{ apples}}", "42"), ("Answer: 12\n#### 42", "42"), ("**42**", "42"), ('{"answer": "$1,080"}', "1080"),
    ('{"answer": "20 + 6 + 8 = 34"}', None), ('{"answer": "3 * 4"}', None), ("The answer is 3 * 4 = 12.", "12"),
    ("How many are left of 12?", None), ("Calculate the total of 5 and 6.", None), ("I cannot help with that", None), ("", None),
    ("<think>7</think>8", "8"), ("<think>7", None), ("8+1=9, 9+3=12; answer: 1529", "1529"), ("The answer is not 5. It is 6.", "6"),
    ("If she has 3 and buys 2, she has 5.", "5"), ("Let x be the count. Then x = 5.", "5"), ("What she has left is 5.", "5"),
    ("First, calculate 2 * 3 = 6. So there are 6.", "6"), ("So it is not 5.", None), ("\u00bd", "0.5"), ("<answer>42</answer>", "42"),
    ("The answer is 1.5 \u00d7 10^3 m.", "1500"),
])
def test_which_number_is_meant(text: str, value: str | None) -> None:
    assert Number().read(text) == value


@pytest.mark.parametrize(("gold", "said", "score"), [
    ("1200", "$1,200", 1.0), ("0.75", "3/4", 1.0), ("1.5", "15", 0.0), ("-5", "5", 0.0), ("2/3", "23", 0.0), ("42", "42.0", 1.0),
    ("3.14159", "3.1416", 1.0), ("3.14159", "3.15", 0.0), ("100000", "100001", 0.0), ("2/3", "0.66667", 1.0), ("36,000", "36000", 1.0),
])
def test_tolerance(gold: str, said: str, score: float) -> None:
    assert asyncio.run(Number().score(Number().read(said), [gold])) == score


def test_the_best_reference_counts() -> None:
    assert asyncio.run(Number().score("4", ["3", "four", "4"])) == 1.0
    assert asyncio.run(Number().score("4", [])) == asyncio.run(Number().score(None, ["4"])) == 0.0


def test_equal_numbers_share_a_group() -> None:
    assert asyncio.run(Number().group(["0.5", None, "2", "1/2", "2"])) == [0, None, 1, 0, 1]


@given(st.fractions(min_value=-10**9, max_value=10**9, max_denominator=999))
def test_written_numbers_read_as_themselves(value: Fraction) -> None:
    text = written(value)
    assert number(text) == text and Fraction(text) == value


@given(st.text(max_size=200))
def test_every_reading_is_a_number(text: str) -> None:
    reading = Number().read(text)
    assert reading is None or Fraction(reading) == Fraction(reading)
