"""Labels: whom a router is taught to name, and how its letters become chances of members."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import log
from pathlib import Path

import numpy as np
import pytest

from consilience.errors import ConfigError, TeamError
from consilience.learn.labels import Ballot, histogram, labels, rewards, taught
from consilience.method import Scored
from consilience.model import Card
from consilience.types import Reply, Request
from tests.members import Scripted
from tests.methods.questions import split

FREE = np.full((1, 3), np.nan)


def name(scores: list[float], reward: Sequence[float] = (0, 0, 0), costs: np.ndarray = FREE, drop: bool = True) -> int | None:
    [found] = labels(np.array([scores], float), np.array([reward], float), costs, (2, 0, 1), drop)
    return found


def test_the_best_score_then_the_reward_then_the_price_then_the_order() -> None:
    assert name([1, 1, 0], [.2, .9, 5]) == 1, "the reward of an answer that scores worse is no matter"
    assert name([.2, .9, .5], [9, 0, 0]) == 1
    assert name([1, 1, 0], costs=np.array([[2.0, 1.0, 0.0]])) == 1
    assert name([0, 1, 1]) == 2 and name([1, 1, 0]) == 0


def test_questions_on_which_all_score_alike_teach_nothing() -> None:
    assert name([1, 1, 1]) is None and name([0, 0, 0], [1, 2, 3]) is None
    assert name([1, 1, 1], [1, 3, 2], drop=False) == 1


def test_shuffled_questions_have_the_same_labels() -> None:
    rng = np.random.default_rng(0)
    scores, marks = rng.integers(0, 2, (40, 3)).astype(float), rng.random((40, 3))
    order = rng.permutation(40)
    costs = np.tile([3.0, 2.0, 1.0], (40, 1))
    here, there = labels(scores, marks, costs, (0, 1, 2), True), labels(scores[order], marks[order], costs, (0, 1, 2), True)
    assert there == [here[i] for i in order]


def test_nothing_to_learn_is_an_error_and_one_label_a_warning() -> None:
    with pytest.raises(ConfigError, match="score alike"):
        histogram("trained-router", [], ["a", "b"])
    with pytest.warns(UserWarning, match="19 of 20 labels name b"):
        assert histogram("trained-router", [1] * 19 + [0], ["a", "b"]) == {"a": 1, "b": 19}


def test_the_ballot_does_not_depend_on_the_teams_order() -> None:
    cards = [Card("one", "z", description="does one"), Card("two", "a"), Card("three", "m")]
    ballot, turned = Ballot.of(cards), Ballot.of(cards[::-1])
    assert ballot.told == turned.told == ("two", "three", "does one")
    assert [ballot.letter(i) for i in range(3)] == ["C", "A", "B"]
    assert ballot.ask("Why?") == turned.ask("Why?")

    async def ask(request: Request, choices: Sequence[str]) -> list[float]:
        assert choices == ["A", "B", "C"]
        return [log(.5), log(.3), log(.1)]
    assert asyncio.run(ballot.chances(ask, "Why?")) == pytest.approx(np.array([.1, .5, .3]) / .9)
    [pair] = ballot.pairs(["Why?"], [0], cards[0])
    assert pair.completion == "C" and "C) does one" in pair.request.messages[-1].content and pair.request.form is None


def test_rewards() -> None:
    dev = split([("one", "A"), ("two", "B")])
    asked = [[Scored(Reply("long text"), 1.0), Scored(None, 0.0)], [Scored(Reply("text"), 1.0), Scored(Reply("odd"), 0.0)]]
    verifier = Scripted("v", [""], scores=lambda text: None if text == "odd" else float(len(text)))
    assert asyncio.run(rewards(dev, asked, verifier)).tolist() == [[9, 4], [-np.inf, -np.inf]]
    assert asyncio.run(rewards(dev, asked, None)).tolist() == [[0, 0], [0, 0]]


def test_a_checkpoint_that_is_gone(tmp_path: Path) -> None:
    class Plain:
        """Any model; nothing is asked of it."""
    with pytest.raises(TeamError, match="fit the team again"):
        taught(Plain(), tmp_path / "nowhere")  # type: ignore[arg-type]
