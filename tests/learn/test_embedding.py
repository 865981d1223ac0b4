"""Text vectors: cosines, rare words, restoring, names."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.errors import ConfigError, MissingExtraError
from consilience.learn.embedding import Tfidf, check_name, fitted, grams, restored

TEXTS = ["what color is the vase", "what color is the lamp", "compute 17 + 25", "compute 3 + 4", ""]


def similar(text: str) -> np.ndarray:
    encoder = fitted("tfidf", TEXTS)
    return (encoder.encode([text]) @ encoder.encode(TEXTS).T)[0]


def test_a_text_is_most_similar_to_itself() -> None:
    for i, text in enumerate(TEXTS[:-1]):
        assert similar(text).argmax() == i and np.isclose(similar(text)[i], 1, atol=1e-5)
    assert similar("").max() == 0 and similar("unheard of").max() == 0


def test_rare_words_weigh_more_and_numbers_are_alike() -> None:
    assert similar("the vase")[0] > similar("the vase")[1]
    assert similar("compute 99 + 98")[:2].max() < similar("compute 99 + 98")[2:4].min()
    assert grams("17") != grams("18") and set(grams("17")) & set(grams("18"))


def test_with_all_directions_cosines_are_those_of_the_sparse_vectors() -> None:
    from consilience.learn.embedding import BUCKETS, weighed

    encoder = Tfidf.of(TEXTS)
    sparse = np.zeros((len(TEXTS), BUCKETS))
    for line, text in zip(sparse, TEXTS, strict=True):
        columns, values = weighed(grams(text), encoder.idf)
        line[columns] = values
    x = encoder.encode(TEXTS)
    assert np.allclose(x @ x.T, sparse @ sparse.T, atol=1e-4), "no more texts than directions: nothing is lost"


@settings(max_examples=20)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=6), st.text(max_size=30))
def test_vectors_are_unit_or_zero_and_survive_restoring(texts: list[str], query: str) -> None:
    encoder = Tfidf.of(texts)
    x = encoder.encode([query])
    assert np.isfinite(x).all() and (np.isclose(np.linalg.norm(x), 1, atol=1e-5) or not x.any())
    assert np.array_equal(restored("tfidf", encoder.arrays()).encode([query]), x)


def test_names() -> None:
    for name in ("tfidf", "model2vec:some/model", "sentence-transformers:some/model"):
        check_name(name)
    with pytest.raises(ConfigError, match="Did you mean 'model2vec'"):
        check_name("model2vek:x")
    with pytest.raises(ConfigError, match="NAME"):
        check_name("model2vec")


def test_libraries_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("model2vec", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, library, None)      # as it is where the extra was not installed
    for embedding in ("model2vec:none/such", "sentence-transformers:none/such"):
        with pytest.raises(MissingExtraError, match=rf"the embedding {embedding}.*consilience\[embed\]"):
            fitted(embedding, ["a text"])
