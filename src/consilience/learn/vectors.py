"""Vectors of texts without any download: TF-IDF over hashed word n-grams, sparse, in numpy alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np

BUCKETS = 1 << 16
"""Hash buckets of n-grams."""

_PIECE = re.compile(r"\w+|[^\w\s]")
_DIGITS = re.compile(r"\d+")


def grams(text: str) -> Counter[int]:
    """Hashed words, pairs of neighbouring words and signs of a text; numbers also count as `#`, whatever their digits."""
    words = _PIECE.findall(text.lower())
    shapes = [_DIGITS.sub("#", w) for w in words]
    found = [*words, *(s for s, w in zip(shapes, words, strict=True) if s != w),
             *(f"{a} {b}" for a, b in zip(shapes, shapes[1:], strict=False))]
    return Counter(crc32(gram.encode()) % BUCKETS for gram in found)


@dataclass(frozen=True, slots=True)
class TextVectors:
    """Unit TF-IDF vectors of known texts as sparse rows: those of row i are `columns` and `values` where `rows == i`."""

    idf: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Fit the inverse document frequencies ln((1+n)/(1+df)) + 1 on `texts`, and take their vectors."""
        import numpy as np

        counted = [grams(text) for text in texts]
        seen = np.bincount(np.concatenate([np.fromiter(c, np.int64) for c in counted]), minlength=BUCKETS)
        idf = (np.log((1 + len(texts)) / (1 + seen)) + 1).astype(np.float32)
        parts = [_unit(c, idf) for c in counted]
        sizes = [len(columns) for columns, _ in parts]
        return cls(idf, np.repeat(np.arange(len(texts), dtype=np.int32), sizes),
                   np.concatenate([c for c, _ in parts]), np.concatenate([v for _, v in parts]))

    @classmethod
    def restore(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """From `arrays()`."""
        return cls(arrays["idf"], arrays["rows"], arrays["columns"], arrays["weights"])

    def arrays(self) -> dict[str, np.ndarray]:
        """To be saved."""
        return {"idf": self.idf, "rows": self.rows, "columns": self.columns, "weights": self.values}

    def similar(self, text: str, count: int) -> np.ndarray:
        """Cosine of `text` with each of the `count` known texts, float [count]."""
        import numpy as np

        columns, values = _unit(grams(text), self.idf)
        dense = np.zeros(BUCKETS, np.float32)
        dense[columns] = values
        return np.bincount(self.rows, self.values * dense[self.columns], minlength=count)


def _unit(counts: Counter[int], idf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    columns = np.array(sorted(counts), dtype=np.int32)
    weights = (1 + np.log([counts[int(c)] for c in columns])) * idf[columns]
    norm = float(np.sqrt((weights ** 2).sum()))
    return columns, (weights / norm if norm else weights).astype(np.float32)
