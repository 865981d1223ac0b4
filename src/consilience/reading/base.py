"""The two questions that most formats answer alike: which readings are equal, and how good the best reference is."""

from __future__ import annotations

from collections.abc import Sequence


class ByKey:
    """Grouping and scoring for formats whose equality is equality of a key."""

    __slots__ = ()

    def key(self, reading: str) -> str:
        """Equal answers have equal keys; a reading is its own key unless a format says otherwise."""
        return reading

    def refer(self, reference: str) -> str | None:
        """The key of a raw reference, or None when the reference cannot be an answer of this format."""
        raise NotImplementedError

    async def group(self, readings: Sequence[str | None]) -> list[int | None]:
        """For each reading the index of its class, numbered by first appearance; None abstains."""
        classes: dict[str, int] = {}
        return [None if r is None else classes.setdefault(self.key(r), len(classes)) for r in readings]

    async def score(self, reading: str | None, references: Sequence[str]) -> float:
        """1.0 when the reading equals one of the references, else 0.0."""
        if reading is None:
            return 0.0
        key = self.key(reading)
        return float(any(self.refer(reference) == key for reference in references))
