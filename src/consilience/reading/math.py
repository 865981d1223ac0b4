"""Mathematical expressions: equal when algebra says so. Reading is plain text work; equality may ask `equality.py`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from consilience.reading.equality import equal
from consilience.reading.number import number, same
from consilience.reading.text import answered, cut, last_sentence, refuses, sets

_ENVIRONMENT = re.compile(
    r"\$\$(.{1,2000}?)\$\$|(?<!\\)\$(?!\d+(?:\.\d+)?\s)(.{1,2000}?)(?<!\\)\$|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]", re.DOTALL)
_MARK = re.compile(r"(?<!\\)\$|\\[(\[]")
_SPACE = re.compile(r"\\[!,;: ]|\\q?quad\b|\\left\b|\\right\b|\s+|~")
_DEGREES = re.compile(r"\^\{?\\circ\}?|\\degrees?\b|\u00b0")
_UNITS = re.compile(r"(?<=[\d}\])])\\(?:text|mathrm|mbox)\{[^{}]*\}(?:\^\{?[23]\}?)?$")
_TEXT = re.compile(r"\\(?:text(?:bf|rm|it)?|mathrm|mathbf|mbox)\{([^{}]*)\}")
_SHORT_FRAC = re.compile(r"\\frac(\d)(\d)")
_PLAIN = re.compile(r"-?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?")
_RATIO = re.compile(r"(-?)\\frac\{(-?\d+)\}\{(\d+)\}")


RUNAWAY = 1000
"""An expression of more characters, and four times those of the other, is no answer but a model that found no end; algebra
would take seconds to say so."""


@dataclass(frozen=True, slots=True)
class Math:
    """Reads an expression, LaTeX or plain; equality is that of math-verify, asked in processes that can be killed."""

    @property
    def name(self) -> str:
        """`math/1`."""
        return "math/1"

    @property
    def instruction(self) -> str:
        """One sentence for the prompt."""
        return "Put the final answer in \\boxed{}."

    def read(self, text: str) -> str | None:
        """The boxed or stated expression; else the last formula of the last sentence, or a line that is one."""
        text, value = answered(text)
        return _clean(cut(value)) if value else _closing(text)

    async def group(self, readings: Sequence[str | None]) -> list[int | None]:
        """Classes of equal expressions, numbered by first appearance; each is compared with the first of its class."""
        heads: list[str] = []
        found: list[int | None] = []
        for reading in readings:
            found.append(None if reading is None else await _class(reading, heads))
        return found

    async def score(self, reading: str | None, references: Sequence[str]) -> float:
        """1.0 when the expression equals one of the references. A comparison that hangs counts as unequal."""
        if reading is None:
            return 0.0
        for reference in references:
            if await same_expression(_clean(reference) or "", reading):
                return 1.0
        return 0.0


async def _class(reading: str, heads: list[str]) -> int:
    if reading in heads:
        return heads.index(reading)
    for i, head in enumerate(heads):
        if await same_expression(head, reading):
            return i
    heads.append(reading)
    return len(heads) - 1


async def same_expression(gold: str, answer: str) -> bool:
    """Equal as text, as numbers, or else by algebra."""
    one, two = normal(gold), normal(answer)
    if one == two:
        return bool(one)
    first, second = _value(one), _value(two)
    if first is not None and second is not None:
        return same(first, second)
    short, long = sorted((len(one), len(two)))
    return False if long > max(RUNAWAY, 4 * short) else await equal(gold, answer)


def normal(expression: str) -> str:
    """The expression without spacing commands, degrees, trailing units and text wrappers."""
    text = expression.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\$", "").replace("{,}", ",")
    text = _UNITS.sub("", _SPACE.sub("", _DEGREES.sub("", text)))
    text = _SHORT_FRAC.sub(r"\\frac{\1}{\2}", _TEXT.sub(r"\1", text)).rstrip(".")
    return text.casefold() if "\\" not in text else text


def _value(text: str) -> Fraction | None:
    if _PLAIN.fullmatch(text):
        return Fraction(number(text) or text)
    ratio = _RATIO.fullmatch(text)
    if ratio is None or int(ratio[3]) == 0:
        return None
    return Fraction(int(ratio[2]), int(ratio[3])) * (-1 if ratio[1] else 1)


def _clean(span: str) -> str | None:
    """A span as an expression: a formula inside it counts alone, dollars around it go."""
    formulas = [next(g for g in m.groups() if g is not None) for m in _ENVIRONMENT.finditer(span)] if _marked(span) else []
    text = formulas[-1] if formulas else span
    return text.strip().strip("$").rstrip(".,;").strip() or None


def _marked(span: str) -> bool:
    return _MARK.search(span) is not None


def _closing(text: str) -> str | None:
    """The answer of a reply without an answer phrase: its last formula or number, unless it asks or refuses."""
    if not text or refuses(text) or sets(text):
        return None
    span = cut(last_sentence(text))
    if not _marked(span):
        span = span.rsplit("=", 1)[-1] if " = " in span else span
        return _clean(span) if len(span) <= 80 or "\\" in span else number(span)
    found = _clean(span)
    return found.rsplit("=", 1)[-1].strip() if found and found.count("=") == 1 else found
