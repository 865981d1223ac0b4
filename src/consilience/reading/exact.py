"""Short answers that must match as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from consilience.errors import ConfigError
from consilience.reading.base import ByKey
from consilience.reading.number import number
from consilience.reading.text import answered, asks, cut, last_sentence, refuses, squeeze

_ARTICLE = re.compile(r"(?:a|an|the)")
_EDGES = ".,;:!?\"'\u201c\u201d\u2018\u2019"
_NUMERIC = re.compile(r"[-\u2212]?[$\u20ac\u00a3]?-?\d[\d,.]*")
_LETTERED = re.compile(r"\(?([A-Z])\)(?=\s+\S|$)")
_WRAPPED = re.compile(r"[(\[{]\s*([^()\[\]{},]+?)\s*[)\]}]")
_LONGEST = 80
"""No member of a closed list stands on a longer line alone."""
_TEXT = re.compile(r"\\(?:text(?:bf|rm|it)?|mathrm|mathbf)\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Exact(ByKey):
    """Reads the stated short answer; `among`, where given, is the closed list of answers, such as yes, no, maybe."""

    among: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(not key(word) or "|" in word for word in self.among) or len(set(map(key, self.among))) < len(self.among):
            raise ConfigError(f"the closed answers {self.among!r} must be distinct, not empty and without '|'")

    @property
    def name(self) -> str:
        """`exact/1`, or `exact-yes|no/1`."""
        return f"exact-{'|'.join(self.among)}/1" if self.among else "exact/1"

    @property
    def instruction(self) -> str:
        """One sentence for the prompt."""
        told = f", where X is one of: {', '.join(self.among)}." if self.among else ", where X is the answer alone."
        return f'Finish with "The answer is X."{told}'

    def read(self, text: str) -> str | None:
        """The stated answer without what explains it; a lone line, or the last line, where no phrase states one."""
        text, value = answered(text)
        if self.among:
            return _closed(self.among, text, value)
        if value is None:
            value = _bare(text)
        value = _unwrapped(cut(value)) if value else None
        return value or None

    def key(self, reading: str) -> str:
        """Case, spacing, a leading article and outer punctuation do not count; `42`, `42.0` and `$42` are one number."""
        return key(reading)

    def refer(self, reference: str) -> str | None:
        """The same key for a reference; a closed list reads it first."""
        return key(reference)


def key(text: str) -> str:
    """What two texts share when they are the same answer."""
    text = _unwrapped(text).strip()
    if _NUMERIC.fullmatch(text.rstrip(".%")):
        return (number(text) or text) + ("%" if text.endswith("%") else "")
    lone = _WRAPPED.fullmatch(text)
    tokens = squeeze(lone[1] if lone else text).split()
    bare = [t.strip(_EDGES) if any(c.isalnum() for c in t) else t for t in tokens]
    bare = [t for t in bare if t]
    if len(bare) > 1 and _ARTICLE.fullmatch(bare[0]) and any(len(t) > 1 for t in bare[1:]):
        bare = bare[1:]
    return " ".join(bare)


def _unwrapped(text: str) -> str:
    if "\\" in text:
        text = _TEXT.sub(r"\1", text)
    text = text.strip().strip("$").strip()
    lettered = _LETTERED.match(text)
    if lettered:
        return lettered[1]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" and text.count(text[0]) == 2:
        text = text[1:-1].strip()
    return text


def _bare(text: str) -> str | None:
    line = text.rsplit("\n", 1)[-1].strip()
    return None if asks(line) or refuses(text) else line


def _closed(among: tuple[str, ...], text: str, value: str | None) -> str | None:
    """The member of a closed list: stated, alone on the last or first line, opening the reply, or closing it."""
    if value is not None:
        return _opens(among, value) or _only(among, value)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    alone = {found for line in lines if (found := _member(among, line))}
    if len(alone) > 1 or not lines:
        return None
    if _member(among, lines[-1]) or _member(among, lines[0]):
        return alone.pop()
    sentence = last_sentence(text)
    return _opens(among, text) or (None if text.endswith("?") else _closes(among, sentence))


def _member(among: tuple[str, ...], line: str) -> str | None:
    if len(line) > _LONGEST:
        return None
    said = key(line.strip("-*\u2022()[] .'\""))
    return _members(among).get(said)


@lru_cache(maxsize=1024)
def _members(among: tuple[str, ...]) -> dict[str, str]:
    return {key(word): word for word in among}


def _opens(among: tuple[str, ...], text: str) -> str | None:
    match = _words(among)[0].match(text)
    if match is None or re.match(r"[\W]*(?:or|and)\b", text[match.end():]):
        return None
    return _member(among, match[1])


def _only(among: tuple[str, ...], text: str) -> str | None:
    found = {_member(among, word) for word in _words(among)[1].findall(text)}
    return found.pop() if len(found) == 1 else None


def _closes(among: tuple[str, ...], sentence: str) -> str | None:
    match = _words(among)[2].search(sentence)
    return _only(among, sentence) if match else None


@lru_cache(maxsize=1024)
def _words(among: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """One of the words opening a text, anywhere in it, and closing it."""
    word = "|".join(re.escape(word) for word in sorted(among, key=len, reverse=True))
    opening = rf"\W*({word})(?=\s*(?:[.,;:!*\"']|$|\n)|\s+(?:because|since|as|-)\b)"
    anywhere, closing = rf"(?<!\w)(?:{word})(?!\w)", rf"(?<!\w)({word})[\W_]*$"
    return re.compile(opening, re.IGNORECASE), re.compile(anywhere, re.IGNORECASE), re.compile(closing, re.IGNORECASE)
