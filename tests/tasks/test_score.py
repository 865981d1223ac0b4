"""Scores of replies, and the refusal to guess one."""

import asyncio

import pytest

from consilience.errors import TaskError
from consilience.reading import Choice, Number
from consilience.tasks import Unscored, score
from consilience.types import Example, Reply, Request


def example(**changes: object) -> Example:
    return Example("1", Request.of("2 + 2?", format=Number()).having(**changes), ("4",), "sums")


def test_replies_are_read_where_nobody_did() -> None:
    assert asyncio.run(score(example(), Reply("The answer is 4."))) == 1.0
    assert asyncio.run(score(example(), Reply("The answer is 4.", reading="5"))) == 0.0


@pytest.mark.parametrize("reply", [None, Reply(None), Reply(""), Reply("4", reading="4", unread=True)])
def test_no_answer_scores_nothing(reply: Reply | None) -> None:
    assert asyncio.run(score(example(), reply)) == 0.0


def test_a_published_score_is_kept() -> None:
    assert asyncio.run(score(example(), Reply(None, score=0.25))) == 0.25
    assert asyncio.run(score(example(format=Unscored("code", "mbpp")), Reply("def f(): ...", score=1.0))) == 1.0


def test_a_refused_score_says_what_it_takes() -> None:
    with pytest.raises(TaskError, match="answers to mbpp cannot be scored here: it takes running code"):
        asyncio.run(score(example(format=Unscored("code", "mbpp")), Reply("def f(): ...")))
    with pytest.raises(TaskError, match="no answer format"):
        asyncio.run(score(example(format=None), Reply("4")))


def test_unscored_answers_are_still_read_and_grouped() -> None:
    format = Unscored("reference", "routed", Choice(3))
    assert format.read("The answer is B.") == "B" and asyncio.run(format.group(["A", "B", "A"])) == [0, 1, 0]
    assert format.name == "unscored-reference-choice-3/1" and Unscored("code", "x").read("any text") == "any text"
