"""Yes or no."""

from __future__ import annotations

import re
from dataclasses import dataclass

from consilience.reading.base import ByKey
from consilience.reading.text import last_sentence, plain, refuses, stated, visible

_WORD = re.compile(r"((?:\bnot|n['\u2019]t)\s+)?\b(yes|no|true|false)\b(?!\s+(?:one|way|idea|doubt|longer|more)\b)", re.IGNORECASE)
_LEADING = re.compile(r"\W*(yes|no|true|false)\b(?!\s+(?:one|or|way|idea|doubt|and\s+(?:yes|no|true|false))\b)", re.IGNORECASE)


_OTHER = {"yes": "no", "no": "yes"}


@dataclass(frozen=True, slots=True)
class YesNo(ByKey):
    """Reads `yes` or `no` (true and false count as these)."""

    @property
    def name(self) -> str:
        """`yesno/1`."""
        return "yesno/1"

    @property
    def instruction(self) -> str:
        """One sentence for the prompt."""
        return 'Finish with "The answer is yes." or "The answer is no."'

    def read(self, text: str) -> str | None:
        """The word that is stated as the answer, opens the reply, or stands alone in its last sentence."""
        text = plain(visible(text))
        if not text or refuses(text):
            return None
        span = stated(text)
        if span is not None:
            return _one(span)
        leading = _LEADING.match(text)
        if leading:
            return _one(text.split("\n", 1)[0]) if " or " in text[:16] else _plain(leading[1])
        return _one(last_sentence(text))

    def refer(self, reference: str) -> str | None:
        """`yes` or `no` for a reference such as `Yes`, `true`, `no.`."""
        return self.read(reference)


def _plain(word: str) -> str:
    return "yes" if word.lower() in ("yes", "true") else "no"


def _one(span: str) -> str | None:
    found = {_plain(word) if not denied else _OTHER[_plain(word)] for denied, word in _WORD.findall(span)}
    leading = _LEADING.match(span)
    if leading and not re.match(r"\W*\w+\W+or\b", span):
        return _plain(leading[1])
    return found.pop() if len(found) == 1 else None
