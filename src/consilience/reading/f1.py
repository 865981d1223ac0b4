"""Short facts with several accepted names: partial credit by shared words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from consilience.reading.base import ByKey
from consilience.reading.text import answered, asks, cut, refuses, words


@dataclass(frozen=True, slots=True)
class F1(ByKey):
    """Reads the stated answer, else the whole reply; the score is SQuAD's token F1 with the best reference.

    Source: SQuAD, arXiv 1606.05250.
    """

    @property
    def name(self) -> str:
        """`f1/1`."""
        return "f1/1"

    @property
    def instruction(self) -> str:
        """One sentence for the prompt."""
        return 'Finish with "The answer is X.", where X is as short as possible.'

    def read(self, text: str) -> str | None:
        """The stated answer without what explains it, or the whole reply when no phrase states one."""
        text, value = answered(text)
        if value is None:
            value = "" if refuses(text) or asks(text) else text
        return cut(value) or None

    def key(self, reading: str) -> str:
        """The normalised words."""
        return " ".join(words(reading))

    async def score(self, reading: str | None, references: Sequence[str]) -> float:
        """0..1: the best token F1 over the references."""
        if reading is None:
            return 0.0
        return max((f1(words(reading), words(reference)) for reference in references), default=0.0)


def f1(said: Sequence[str], gold: Sequence[str]) -> float:
    """Harmonic mean of precision and recall over token multisets; 1 when both are empty, 0 when one is."""
    if not said or not gold:
        return float(not said and not gold)
    shared = sum((Counter(said) & Counter(gold)).values())
    return 2 * shared / (len(said) + len(gold))
