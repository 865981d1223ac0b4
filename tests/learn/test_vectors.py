"""Text vectors: cosines, rare words, restoring."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.learn.vectors import TextVectors, grams

TEXTS = ["what color is the vase", "what color is the lamp", "compute 17 + 25", "compute 3 + 4", ""]


def test_a_text_is_most_similar_to_itself() -> None:
    vectors = TextVectors.of(TEXTS)
    for i, text in enumerate(TEXTS[:-1]):
        similar = vectors.similar(text, len(TEXTS))
        assert similar.argmax() == i and np.isclose(similar[i], 1, atol=1e-5)
    assert vectors.similar("", len(TEXTS)).max() == 0


def test_rare_words_weigh_more_and_numbers_are_alike() -> None:
    vectors = TextVectors.of(TEXTS)
    assert vectors.similar("the vase", 5)[0] > vectors.similar("the vase", 5)[1]
    assert vectors.similar("compute 99 + 98", 5)[:2].max() < vectors.similar("compute 99 + 98", 5)[2:4].min()
    assert grams("17") != grams("18") and set(grams("17")) & set(grams("18"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=6), st.text(max_size=30))
def test_cosines_are_cosines_and_survive_restoring(texts: list[str], query: str) -> None:
    vectors = TextVectors.of(texts)
    similar = vectors.similar(query, len(texts))
    assert similar.shape == (len(texts),) and (similar >= -1e-6).all() and (similar <= 1 + 1e-5).all()
    assert np.array_equal(TextVectors.restore(vectors.arrays()).similar(query, len(texts)), similar)
