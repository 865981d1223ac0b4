"""Open text: every text is an answer, and only equal texts are equal."""

from __future__ import annotations

from dataclasses import dataclass

from consilience.reading.base import ByKey
from consilience.reading.text import squeeze, visible


@dataclass(frozen=True, slots=True)
class Free(ByKey):
    """Any text that is not empty reads as itself; readings group and score by their text, case and spaces aside."""

    @property
    def name(self) -> str:
        """`free/1`."""
        return "free/1"

    @property
    def instruction(self) -> str:
        """Nothing is asked of the reply."""
        return ""

    def read(self, text: str) -> str | None:
        """The visible text, or None when it is empty."""
        return visible(text) or None

    def key(self, reading: str) -> str:
        """The text without case and spacing."""
        return squeeze(reading)

    def refer(self, reference: str) -> str | None:
        """The same key for a reference."""
        return squeeze(reference) or None
