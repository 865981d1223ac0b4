"""Whether a question belongs to what was seen in fitting: a probability, or likeness, for each domain, by its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from consilience.learn.clusters import means
from consilience.learn.embedding import BUCKETS, grams, rarity, unit, weighed
from consilience.learn.estimators import sigmoid
from consilience.learn.gradient import Descent, Weights, parts

if TYPE_CHECKING:
    import numpy as np

WORDS = 2048
"""Words and pairs of words that are known: those in most texts."""
SAMPLE = 4000
"""Texts that are learned from, at most."""
BATCH = 64
"""Texts per step."""


def fit_guard(texts: Sequence[str], domain: np.ndarray, domains: int, wide_layer: int,
              delta: float) -> tuple[dict[str, np.ndarray], float]:
    """What `likeness` needs, learned from four fifths of the texts, and the largest threshold that accepts the share
    1 - `delta` of the last fifth. A layer of `wide_layer` is trained; 0: each domain is the mean of its texts."""
    import numpy as np

    here, held = parts(len(texts))
    some = np.random.default_rng(0).permutation(here)[:SAMPLE]
    words = known_words([texts[i] for i in some])
    x = word_vectors(words, [texts[i] for i in some])
    found = fit_wide(x, domain[some], domains, wide_layer) if wide_layer else {"centres": unit(means(x, domain[some], domains))}
    found = {**words, **found}
    return found, threshold(likeness(found, [texts[i] for i in held]).max(axis=1), delta)


def known_words(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """`rare`, the inverse document frequency of all buckets, and `column`, the place of those that are known, else -1."""
    import numpy as np

    rare, seen = rarity([grams(text) for text in texts])
    known = np.argsort(-seen, kind="stable")[:WORDS]
    column = np.full(BUCKETS, -1)
    column[known[seen[known] > 0]] = np.arange(int((seen[known] > 0).sum()))
    return {"rare": rare, "column": column}


def word_vectors(words: Mapping[str, np.ndarray], texts: Sequence[str]) -> np.ndarray:
    """TF-IDF weights of the known words, float32 [texts, known]: the more unknown words, the shorter."""
    import numpy as np

    out = np.zeros((len(texts), int(words["column"].max()) + 1), np.float32)
    for line, text in zip(out, texts, strict=True):
        buckets, weights = weighed(grams(text), words["rare"])
        column = words["column"][buckets]
        line[column[column >= 0]] = weights[column >= 0]
    return out


def likeness(found: Mapping[str, np.ndarray], texts: Sequence[str]) -> np.ndarray:
    """Probability of, or likeness to, each domain, [texts, domains]; 0 for a text without any known word."""
    import numpy as np

    x = word_vectors(found, texts)
    raw = x @ found["centres"].T if "centres" in found else wide(found, x)
    return np.where(np.any(x, axis=1, keepdims=True), raw, 0.0)


def fit_wide(x: np.ndarray, domain: np.ndarray, domains: int, width: int) -> dict[str, np.ndarray]:
    """A network with one wide hidden layer and one sigmoid per domain; the weights that tell best on a held-out fifth."""
    import numpy as np

    here, held = parts(len(x))
    label, rng = np.eye(domains)[domain], np.random.default_rng(0)
    start = {"in": rng.standard_normal((x.shape[1], width)) * np.sqrt(2.0), "in_bias": np.zeros(width),
             "out": rng.standard_normal((width, domains)) / np.sqrt(width), "out_bias": np.full(domains, -1.0)}

    def slope(w: Weights, step: int) -> Weights:
        """Gradient on a random batch."""
        rows = rng.choice(here, min(BATCH, len(here)), replace=False)
        return wide_slope(w, x[rows], label[rows])[1]

    return dict(Descent(steps=300, lr=0.01).down(start, slope, lambda w: -wide_slope(w, x[held], label[held])[0]))


def wide_slope(w: Weights, x: np.ndarray, label: np.ndarray) -> tuple[float, Weights]:
    """Binary cross-entropy of all domains, and its gradient."""
    import numpy as np

    hidden = np.maximum(x @ w["in"] + w["in_bias"], 0)
    z = hidden @ w["out"] + w["out_bias"]
    d_z = (sigmoid(z) - label) / len(x)
    d_hidden = (d_z @ w["out"].T) * (hidden > 0)
    return float((np.logaddexp(0, z) - label * z).sum() / len(x)), {
        "in": x.T @ d_hidden, "in_bias": d_hidden.sum(axis=0), "out": hidden.T @ d_z, "out_bias": d_z.sum(axis=0)}


def wide(w: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Probability of each domain, [questions, domains]."""
    import numpy as np

    return sigmoid(np.maximum(x @ w["in"] + w["in_bias"], 0) @ w["out"] + w["out_bias"])


def threshold(sure: np.ndarray, delta: float) -> float:
    """The largest value that at least the share 1 - `delta` of the known questions reach."""
    ordered = sorted(float(v) for v in sure)
    return ordered[min(int(delta * len(ordered) + 1e-9), len(ordered) - 1)]
