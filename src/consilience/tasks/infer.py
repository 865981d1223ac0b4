"""Which answer format a set of references calls for, where a source says no more than `exact match`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from consilience.reading import Choice, Exact, Math, Number
from consilience.types import AnswerFormat

_OPTION = re.compile(r"^\s*\(?([A-Z])[).][ \t]+(\S.*?)\s*$", re.MULTILINE)
_ANNOUNCED = re.compile(r"^Options:\s*\n\(A\)", re.MULTILINE)
_NUMBER = re.compile(r"[-\u2212]?[$\u20ac\u00a3]?\d[\d,]*(?:\.\d+)?%?")
_LATEX = re.compile(r"\\(?:[dt]?frac|sqrt|text|pi|left|begin|cdot|infty|circ|mathbf|pmatrix)|\^\{?\w")
_WORD = re.compile(r"[A-Za-z][A-Za-z ]{0,15}")
MOST_WORDS = 6
"""A closed list of answers has at most so many; it must also be used at least four times as often as it is long."""


def lettered(question: str) -> tuple[str, ...]:
    """The texts of options that the question lists as `(A) ...`, `A) ...` or `A. ...`, one a line, from A on."""
    found = _OPTION.findall(question)
    starts = [i for i, (mark, _) in enumerate(found) if mark == "A"]
    texts = [text for _, text in found[starts[-1]:]] if starts else []
    marks = [mark for mark, _ in found[starts[-1]:]] if starts else []
    return tuple(texts) if len(texts) > 1 and marks == [chr(65 + i) for i in range(len(marks))] else ()


def truncated(question: str) -> bool:
    """True when a list of options was announced and fewer than two are there."""
    return _ANNOUNCED.search(question) is not None and not lettered(question)


def shared(references: Sequence[str]) -> AnswerFormat:
    """The format for references of one kind: numbers, mathematics, a closed list of words, or exact text."""
    if references and all(_NUMBER.fullmatch(r.strip()) for r in references):
        return Number()
    if sum(_LATEX.search(r) is not None for r in references) > len(references) / 50:
        return Math()
    words: dict[str, str] = {}
    for reference in references:
        words.setdefault(reference.strip().lower(), reference.strip())
    closed = 2 <= len(words) <= MOST_WORDS and len(references) >= 4 * len(words)
    if closed and all(_WORD.fullmatch(w) and len(w) > 1 for w in words):
        return Exact(tuple(sorted(words.values())))
    return Exact()


def of_question(question: str, reference: str, common: AnswerFormat) -> AnswerFormat:
    """A choice where the question lists options and the reference is one of them; else the common format."""
    texts = lettered(question)
    bare = reference.strip().strip("().").strip()
    if texts and (reference.strip() in texts or (len(bare) == 1 and "A" <= bare <= chr(64 + len(texts)))):
        return Choice(len(texts), texts)
    return common
