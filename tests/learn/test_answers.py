"""How good an answer looks."""

from __future__ import annotations

import numpy as np

from consilience.learn.answers import Judge, reader

FOLDS = [(np.arange(0, 20, 2), np.arange(1, 20, 2)), (np.arange(1, 20, 2), np.arange(0, 20, 2))]


def judged() -> tuple[Judge, np.ndarray]:
    """Twenty questions; the first member halts where it is wrong, the second never does and is right half of the time."""
    questions = [f"question {i}" for i in range(20)]
    answers = [["certainly this" if i % 4 < 2 else "perhaps that" for i in range(20)], ["this"] * 20]
    scores = np.array([[float(i % 4 < 2), float(i < 10)] for i in range(20)])
    return Judge.of(reader("tfidf", questions, answers), questions, answers, scores, FOLDS)


def test_answers_are_judged_by_what_others_taught() -> None:
    judge, unseen = judged()
    sure = np.array([i % 4 < 2 for i in range(20)])
    assert unseen.shape == (2, 20) and unseen[0][sure].min() > .5 > unseen[0][~sure].max()
    assert np.abs(unseen[1] - .5).max() < .3, "one text for right and wrong tells nothing"
    assert judge.rate("another", "certainly this", 0) > judge.rate("another", "perhaps that", 0)


def test_a_judge_survives_its_arrays() -> None:
    judge, _ = judged()
    again = Judge.restored("tfidf", judge.arrays())
    assert again.rate("question 3", "perhaps that", 0) == judge.rate("question 3", "perhaps that", 0)


def test_no_answer_to_learn_from_is_an_even_chance() -> None:
    judge, unseen = Judge.of(reader("tfidf", ["one", "two"]), ["one", "two"], [[None, None]], np.zeros((2, 1)),
                             [(np.array([0]), np.array([1])), (np.array([1]), np.array([0]))])
    assert unseen.tolist() == [[.5, .5]] and judge.rate("one", "x", 0) == .5
