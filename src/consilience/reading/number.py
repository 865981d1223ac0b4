"""Plain numbers: find the stated one, compare as numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from consilience.reading.text import cut, json_answer, plain, sets, stated, visible

ABSOLUTE, RELATIVE = 1e-6, 1e-4
"""Tolerances against a reference that is no integer; an integer must be met exactly (to `ABSOLUTE`)."""

_DIGITS = r"(?:\d+(?:[.,]\d+)*|\.\d+)(?:[eE][+-]?\d{1,3}(?!\w|\.\d))?"
_NUMBER = re.compile(
    r"((?<![\w)\]}])-)?\s?(?:[$\u20ac\u00a3\u00a5]\s?(-)?)?"
    rf"((?<![\w.]){_DIGITS})(?:(\s\d+)?\s?/\s?(\d+(?![\d.,]*\d)))?")
_FRAC = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_NOISE = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2011": "-", "\u202f": None, "\u00a0": " ", "\u2044": "/"})
_THOUSANDS = re.compile(r"(\d)(?:\\!|\{,\}|,\\!|\\,)(?=\d{3})")
_GROUPS = re.compile(r"(?<![\w.,])\d{1,3}(?:([\u00a0\u2009'\u2019_])\d{3}(?:\1\d{3})*| \d{3}(?: \d{3})+)(?![\w'\u2019])")
"""Thousands marked by thin or hard spaces, apostrophes or underscores; by plain spaces where there are two or more."""
_VULGAR = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])")
_RAISED = re.compile(r"(?<=\d)[\u207a\u207b]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")
_TIMES = r"\s*(?:[x*\u00d7\u00b7]|\\times|\\cdot)\s*"
_SCIENTIFIC = re.compile(rf"(?<![\w.^])(?:(\d+(?:\.\d+)?){_TIMES})?10\s?\^\s?\{{?([+-]?\d{{1,3}})\}}?(?![\w.]*\d)")
_POWER = re.compile(r"(?<![\w.])[\w.]+\s?\^\s?(?:\{[^{}]*\}|\(?[+-]?\w+\)?)")
"""What is raised to a power is no number, nor is the power."""
_OPERATOR = re.compile(r"[()\s]*(?:[*+\-x\u00d7\u00f7/^]|\\times|\\cdot|\\div)[()\s$]*")
_WORKING = re.compile(r"\d[\s)]*(?:=|[*+\u00d7\u00f7]\s*[($]*\d)")
"""A calculation where a JSON field should hold a number."""
_DENIED = re.compile(r"(?:\bnot|n['\u2019]t)\s+\$?-?\d[\d.,]*\W*\Z", re.IGNORECASE)
"""The answer is not this number."""
_FAR = 400
"""Without an answer phrase, the number is looked for in so many last characters."""


@dataclass(frozen=True, slots=True)
class Number:
    """Reads one number: the last one of the stated answer, or of the last sentence that holds any."""

    @property
    def name(self) -> str:
        """`number/1`."""
        return "number/1"

    @property
    def instruction(self) -> str:
        """One sentence for the prompt."""
        return 'Finish with "The answer is N.", where N is the number alone.'

    def read(self, text: str) -> str | None:
        """The number as a plain decimal or fraction, such as `1200`, `-0.5`, `2/3`."""
        text = visible(text)
        value = json_answer(text)
        if value is not None:
            value = cut(value)
            return None if _WORKING.search(value) else stated_number(value)
        text = plain(text)
        span = stated(text)
        if span:
            found = stated_number(_after_equals(cut(span)))
            if found is not None:
                return found
        return _closing(text)

    async def group(self, readings: Sequence[str | None]) -> list[int | None]:
        """Classes of equal numbers, numbered by first appearance; None abstains."""
        seen: list[Fraction] = []
        return [None if r is None else _class(_value(r), seen) for r in readings]

    async def score(self, reading: str | None, references: Sequence[str]) -> float:
        """1.0 when the number meets one of the references within the tolerances."""
        if reading is None:
            return 0.0
        golds = [gold for reference in references if (gold := number(reference)) is not None]
        return float(any(same(_value(gold), _value(reading)) for gold in golds))


def _class(value: Fraction, seen: list[Fraction]) -> int:
    for i, other in enumerate(seen):
        if same(other, value):
            return i
    seen.append(value)
    return len(seen) - 1


def same(gold: Fraction, value: Fraction) -> bool:
    """Equal within `ABSOLUTE`, or within `RELATIVE` of a reference that is no integer."""
    gap = abs(gold - value)
    return gap <= ABSOLUTE or (gold.denominator != 1 and gap <= RELATIVE * abs(gold))


@lru_cache(maxsize=4096)
def _value(reading: str) -> Fraction:
    return Fraction(reading)


def stated_number(span: str) -> str | None:
    """The number that a stated answer gives: the first, or the last of several joined by `or`, `and` or `to`.

    None for a calculation without its result (`3 * 4`).
    """
    found = list(_NUMBER.finditer(_tidy(span)))
    if not found:
        return None
    at = 0
    for one, two in pairwise(found):
        between = two.string[one.end():two.start()].strip()
        if _OPERATOR.fullmatch(between):
            return None
        if between.lower() not in ("or", "and", "to"):
            break
        at += 1
    return _canonical(found[at])


def number(text: str) -> str | None:
    """The last number in a short text, canonical, or None. Currency, thousands marks, percent and units are dropped."""
    last = None
    for last in _NUMBER.finditer(_tidy(text)):
        pass
    return _canonical(last) if last is not None else None


def _tidy(text: str) -> str:
    if "\\" in text or "{" in text:
        text = _FRAC.sub(r" \1/\2", _THOUSANDS.sub(r"\1,", text))
    text = _GROUPS.sub(lambda found: re.sub(r"\D", "", found[0]), text)
    if not text.isascii():
        text = _RAISED.sub(lambda found: f"^{unicodedata.normalize('NFKC', found[0])}", _VULGAR.sub(" ", text))
        text = unicodedata.normalize("NFKC", text.translate(_NOISE)).translate(_NOISE)
    if "^" in text:
        text = _POWER.sub(" ", _SCIENTIFIC.sub(lambda found: f"{found[1] or 1}e{found[2]}", text))
    return text


def _canonical(match: re.Match[str]) -> str | None:
    before, inner, digits, whole, below = match.groups()
    value = _decimal(digits)
    if value is None or len(digits) > 300:
        return None
    if below is not None:
        divisor = int(below)
        if divisor == 0:
            return None
        value = value + Fraction(int(whole), divisor) if whole else value / divisor
    return written(-value if before or inner else value)


def _decimal(digits: str) -> Fraction | None:
    """The value of digits with separators: `1,234.5`, `1.234,5`, `1,00,000`, `0,5`; the later kind is the decimal mark."""
    body, _, power = digits.lower().partition("e")
    if "," in body:
        body = _unseparated(body)
    if body.count(".") > 1:
        body = body.replace(".", "") if all(len(part) == 3 for part in body.split(".")[1:]) else body.rsplit(".", 1)[1]
    try:
        return Fraction(f"{body}e{power}" if power else body)
    except ValueError:
        return None


def _unseparated(body: str) -> str:
    if "." in body:
        return body.replace(",", "") if body.rfind(".") > body.rfind(",") else body.replace(".", "").replace(",", ".")
    first, *rest = body.split(",")
    if len(rest[-1]) == 3 and all(len(part) in (2, 3) for part in rest) and len(first) <= 3:
        return first + "".join(rest)
    return f"{first}.{rest[0]}" if len(rest) == 1 else rest[-1]


def written(value: Fraction) -> str:
    """The canonical text of a value: an integer, a finite decimal, or a reduced fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    below, twos, fives = value.denominator, 0, 0
    while below % 2 == 0:
        below, twos = below // 2, twos + 1
    while below % 5 == 0:
        below, fives = below // 5, fives + 1
    if below != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(twos, fives)
    shifted = abs(value.numerator) * 10**places // value.denominator
    digits = str(shifted).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def _after_equals(span: str) -> str:
    right = span.rsplit("=", 1)[1] if "=" in span else span
    return right if any(c.isdigit() for c in right) else span


def _closing(text: str) -> str | None:
    """The last number of the last sentence that has one; none when that sentence asks."""
    if sets(text):
        return None
    tail = _tidy(text if len(text) <= _FAR else text[-_FAR:].partition(" ")[2])
    for sentence in reversed(re.split(r"(?<=[.!?])\s+(?=[A-Z(*])|\n", tail)):
        if any(c.isdigit() for c in sentence):
            return None if sets(sentence.strip()) or _DENIED.search(sentence) else number(_after_equals(sentence))
    return None
