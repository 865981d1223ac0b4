"""Vectors of texts: by default without any download or key, else of a library or of a model that embeds.

`tfidf` hashes word n-grams, weighs them by their rarity on dev and projects them onto their main directions there (latent
semantic analysis). `model2vec:NAME` and `sentence-transformers:NAME` use those libraries where they are installed. A model
in the role `embedder` (an OpenAI-compatible endpoint, a local checkpoint) stands in for all of them.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, Self
from zlib import crc32

from consilience.errors import ConfigError, MissingExtraError, did_you_mean

if TYPE_CHECKING:
    import numpy as np

BUCKETS = 1 << 13
"""Hash buckets of n-grams."""
WIDTH = 128
"""Directions that are kept of them."""
SAMPLE = 4000
"""Texts that the directions are learned from, at most."""
FEW = 50
"""Texts below which words of a single text count too."""
LIBRARIES = ("model2vec", "sentence-transformers")

_PIECE = re.compile(r"\w+|[^\w\s]")
_DIGITS = re.compile(r"\d+")


class Encoder(Protocol):
    """Makes a unit vector of a text at once; an embedding model is asked instead."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 [texts, width], rows of length 1 (0 for a text without any known word)."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """To be saved; empty for a library's encoder."""
        ...


def check_name(embedding: str) -> None:
    """ConfigError for an embedding that does not exist."""
    library, _, name = embedding.partition(":")
    if embedding != "tfidf" and (library not in LIBRARIES or not name):
        raise ConfigError(f"there is no embedding {embedding!r}.{did_you_mean(library, ('tfidf', *LIBRARIES))} "
                          "Written: tfidf, model2vec:NAME, sentence-transformers:NAME")


def fitted(embedding: str, texts: Sequence[str]) -> Encoder:
    """An encoder for texts like these. MissingExtraError for a library that is not installed."""
    return Tfidf.of(texts) if embedding == "tfidf" else _library(embedding)


def restored(embedding: str, arrays: Mapping[str, np.ndarray]) -> Encoder:
    """The encoder that `arrays()` was saved of."""
    return Tfidf(arrays["idf"], arrays["directions"]) if embedding == "tfidf" else _library(embedding)


@dataclass(frozen=True, slots=True)
class Tfidf:
    """Hashed word n-grams, weighed by `idf` [BUCKETS] and projected onto `directions` [BUCKETS, width]."""

    idf: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Fit inverse document frequencies and the main directions (randomised SVD, Halko et al. 2011, arXiv 0909.4061)
        on `texts`. What stands in one text alone counts for nothing: of a new question it would not be known either, so
        that known and new questions lie in the space alike."""
        import numpy as np

        counted = [grams(text) for text in texts]
        idf, seen = rarity(counted)
        idf = np.where(seen < (2 if len(texts) >= FEW else 1), 0, idf).astype(np.float32)
        rng = np.random.default_rng(0)
        rows = np.sort(rng.permutation(len(texts))[:SAMPLE])
        matrix = np.zeros((len(rows), BUCKETS), np.float32)
        for line, i in zip(matrix, rows, strict=True):
            columns, values = weighed(counted[i], idf)
            line[columns] = values
        basis = rng.standard_normal((BUCKETS, min(WIDTH + 16, max(1, len(rows))))).astype(np.float32)
        for _ in range(3):
            basis = np.linalg.qr(matrix.T @ np.linalg.qr(matrix @ basis)[0])[0]
        _, strength, turn = np.linalg.svd(matrix @ basis, full_matrices=False)
        keep = min(WIDTH, int((strength > 1e-4 * max(strength[0], 1e-12)).sum()) or 1)
        return cls(idf, np.ascontiguousarray((basis @ turn[:keep].T).astype(np.float32)))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 [texts, width], unit rows."""
        import numpy as np

        out = np.zeros((len(texts), self.directions.shape[1]), np.float32)
        for line, text in zip(out, texts, strict=True):
            columns, values = weighed(grams(text), self.idf)
            line[:] = values @ self.directions[columns]
        return unit(out)

    def arrays(self) -> dict[str, np.ndarray]:
        """To be saved."""
        return {"idf": self.idf, "directions": self.directions}


def unit(x: np.ndarray) -> np.ndarray:
    """Rows brought to length 1; rows of zeros stay."""
    import numpy as np

    length = np.linalg.norm(x, axis=1, keepdims=True)
    scaled: np.ndarray = (x / np.where(length > 0, length, 1)).astype(np.float32)
    return scaled


def grams(text: str) -> Counter[int]:
    """Hashed words, pairs of neighbouring words and signs of a text; numbers also count as `#`, whatever their digits."""
    words = _PIECE.findall(text.lower())
    shapes = [_DIGITS.sub("#", w) for w in words]
    found = [*words, *(s for s, w in zip(shapes, words, strict=True) if s != w),
             *(f"{a} {b}" for a, b in zip(shapes, shapes[1:], strict=False))]
    return Counter(crc32(gram.encode()) % BUCKETS for gram in found)


def rarity(counted: Sequence[Counter[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Of every bucket its inverse document frequency ln((1+n)/(1+df)) + 1, and in how many texts it is (df)."""
    import numpy as np

    seen = np.bincount([bucket for counts in counted for bucket in counts], minlength=BUCKETS)
    return (np.log((1 + len(counted)) / (1 + seen)) + 1).astype(np.float32), seen


def weighed(counts: Counter[int], idf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Buckets of a text and their TF-IDF weights, (1 + ln tf) * idf, of length 1 in all."""
    import numpy as np

    columns = np.fromiter(sorted(counts), np.int64, len(counts))
    weights = (1 + np.log(np.array([counts[int(c)] for c in columns], np.float32))) * idf[columns]
    length = float(np.sqrt((weights ** 2).sum()))
    return columns, weights / length if length else weights


@dataclass(frozen=True, slots=True)
class _Library:
    """An encoder of another library, known by its model's name; nothing of it is saved."""

    model: Any

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 [texts, width], unit rows."""
        import numpy as np

        return unit(np.asarray(self.model.encode(list(texts)), np.float32))

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing."""
        return {}


@lru_cache(maxsize=4)
def _library(embedding: str) -> Encoder:
    check_name(embedding)
    library, _, name = embedding.partition(":")
    try:
        if library == "model2vec":
            from model2vec import StaticModel

            return _Library(StaticModel.from_pretrained(name))
        from sentence_transformers import SentenceTransformer

        return _Library(SentenceTransformer(name))
    except ImportError:
        raise MissingExtraError("embed", f"the embedding {embedding}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"the embedding {embedding} cannot be loaded: {error}") from error


async def encode(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """`encode`, in a thread where there are many texts."""
    return encoder.encode(texts) if len(texts) < 64 else await asyncio.to_thread(encoder.encode, texts)
