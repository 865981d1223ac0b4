"""Values of a program, written as Python literals: what is inside quotes counts to the last space."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consilience.reading.base import ByKey
from consilience.reading.text import asks, cut, json_answer, refuses, stated, visible

_LONGEST = 20_000
"""A longer text is taken as it stands."""
_MARKS = " \t\n*_`"
_ASSERTED = re.compile(r"\s*assert\b.*?==\s*(\S.*)", re.DOTALL)
_FAULTS = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)


@dataclass(frozen=True, slots=True)
class Literal(ByKey):
    """Reads a value: `[1, 2]`, `{'a': None}`, `''`. Equality is that of values, not of their writing: spaces between
    items, the kind of quotes and the order of keys do not count, those inside a text do, and `1` is not `1.0`.

    A text without quotes that is no literal is the string of itself. The empty string is an answer, the empty reply none.
    """

    @property
    def name(self) -> str:
        """`literal/1`."""
        return "literal/1"

    @property
    def instruction(self) -> str:
        """One sentence for the prompt."""
        return 'Finish with "The answer is X.", where X is the value alone, written as a Python literal.'

    def read(self, text: str) -> str | None:
        """The stated value, else what a last line asserts or is; the value in one way of writing it."""
        text = visible(text)
        found = json_answer(text)
        if found is not None:
            return _written(found)
        span = stated(text)
        if span is not None:
            return _trimmed(span)
        line = next((line for line in reversed(text.split("\n")) if line.strip(_MARKS)), "")
        asserted = _ASSERTED.fullmatch(line)
        if asserted:
            return _trimmed(asserted[1])
        if _value(line.strip(_MARKS)) is not None:
            return _trimmed(line)
        alone = line == text and not refuses(line) and not asks(line) and not line.endswith("?")
        return _trimmed(line) if alone and line else None

    def refer(self, reference: str) -> str | None:
        """The same writing of a reference."""
        return _written(reference)

    async def score(self, reading: str | None, references: Sequence[str]) -> float:
        """1.0 when the value equals one of the references; a text counts without its quotes too, as in the answer `0` where
        the reference is `'0'`."""
        if reading is None:
            return 0.0
        return float(any(reading in (_written(reference), *_unquoted(reference)) for reference in references))


def _written(text: str) -> str:
    """The value of a text, written in one way; a space at either end is nothing, more belong to a text."""
    bare = text.removeprefix(" ").removesuffix(" ")
    value = _value(bare) if bare == bare.strip() else None
    if value is not None:
        return _canonical(value[0])
    inside = _inside(text)
    return repr(text) if inside is None else _written(inside)


def _unquoted(reference: str) -> Sequence[str]:
    """What a text in quotes is without them: by its value, and as it stands with its escapes."""
    value, inside = _value(reference), _inside(reference)
    if value is None or inside is None or not isinstance(value[0], str):
        return ()
    return _written(value[0]), repr(inside)


def _inside(text: str) -> str | None:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else None


def _trimmed(span: str) -> str:
    """The span as a value: whole, without the period, or without what explains it; else as a text."""
    span = span.strip(_MARKS)
    for part in (span, span.rstrip(".").rstrip(_MARKS), cut(span).strip(_MARKS)):
        if _value(part) is not None:
            return _written(part)
    return _written(cut(span))


def _value(text: str) -> tuple[Any] | None:
    """The value of a literal, of Python or JSON, in a tuple of its own; None for what is no literal."""
    if len(text) > _LONGEST:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # of a compiler that reads what a model wrote
        for parse in (ast.literal_eval, json.loads):
            try:
                return (parse(text),)
            except _FAULTS:
                continue
    return None


def _canonical(value: Any) -> str:
    """One way of writing a value; dictionaries and sets in the order of their members' writing."""
    match value:
        case dict():
            return "{" + ", ".join(sorted(f"{_canonical(k)}: {_canonical(v)}" for k, v in value.items())) + "}"
        case set() if value:
            return "{" + ", ".join(sorted(map(_canonical, value))) + "}"
        case list():
            return "[" + ", ".join(map(_canonical, value)) + "]"
        case tuple():
            return "(" + ", ".join(map(_canonical, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)
