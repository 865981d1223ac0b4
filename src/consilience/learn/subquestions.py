"""Sub-questions of a question, with their answers, and which of them need others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LINE = re.compile(r"^[^\w\n]*+(\d{1,9})[ \t]*[.:)]\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Parts:
    """Sub-questions with answers by number (`question -> answer`), and the numbers that each needs."""

    texts: Mapping[int, str]
    needs: Mapping[int, frozenset[int]]

    @classmethod
    def read(cls, listed: str, depends: str) -> Parts:
        """From two numbered lists as models write them; numbers that are not listed are dropped."""
        texts = dict(_lines(listed))
        return cls(texts, {n: frozenset(map(int, re.findall(r"\d{1,9}", text))) & frozenset(texts)
                           for n, text in _lines(depends) if n in texts})

    @property
    def depth(self) -> int:
        """Sub-questions on the longest chain of needs; 0 for none at all, and for needs in a circle."""
        levels: dict[int, int] = {}
        while ready := [n for n in self.texts if n not in levels and self._needs(n) <= set(levels)]:
            levels |= {n: 1 + max((levels[m] for m in self._needs(n)), default=0) for n in ready}
        return max(levels.values(), default=0) if len(levels) == len(self.texts) else 0

    @property
    def known(self) -> str:
        """Sub-questions that need no other, with their answers."""
        return "\n".join(text for n, text in self.texts.items() if not self._needs(n))

    @property
    def open(self) -> str:
        """Sub-questions that need others, without their answers."""
        return "\n".join(text.split("->")[0].strip() for n, text in self.texts.items() if self._needs(n))

    def _needs(self, n: int) -> frozenset[int]:
        return self.needs[n] if n in self.needs else frozenset()


def _lines(text: str) -> list[tuple[int, str]]:
    return [(int(n), rest.strip()) for n, rest in _LINE.findall(text)]
