"""Rewards, confidence and hardness: worked numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.hardness import Rated, Rating, confidence, elected, grouped, hard, judging, rated, reward, split
from consilience.reading import Choice
from consilience.types import Reply, Request
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(5))


def solution(letter: str, outcome: float, *steps: float) -> Rated:
    return Rated(Reply(f"The answer is {letter}.", letter or None), outcome, tuple(("step", s) for s in steps))


def groups(*pool: Rated) -> list[list[Rated]]:
    return asyncio.run(grouped(QUESTION, pool))


@pytest.mark.parametrize(("weights", "found"), [((1,), 1.0), ((.5, .5), .6667), ((.8, .2), .7549), ((4, 4, 4, 4), .40),
                                                ((0, 0), .6667), ((3, 0), 1.0)])
def test_confidence(weights: Sequence[float], found: float) -> None:
    assert confidence(weights) == pytest.approx(found, abs=5e-5)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=8))
def test_confidence_is_under_a_half_from_the_spread_of_three_on(weights: list[float]) -> None:
    total = sum(weights)
    spread = -sum(w / total * log(w / total) for w in weights if w / total > 0) if total > 0 else log(len(weights))
    assert 0 < confidence(weights) <= 1 and (abs(spread - log(3)) < 1e-9 or (confidence(weights) < .5) == (spread > log(3)))


def test_rewards_and_steps() -> None:
    assert reward(0.0) == .5 and reward(None) == reward(float("nan")) == 0 and reward(-1e9) < 1e-300 < reward(-600.0)
    assert split("a\n\nb\nc\n", 5) == ["a", "b", "c"] and split("a\nb\nc", 2) == ["a", "b\nc"] and split(" ", 2) == []
    one = solution("A", .25, .5, .5)
    assert one.process == .25 and one.quality == .5 and one.marked == "step (score 5/10)\nstep (score 5/10)"
    unread = solution("", .25, .5)
    assert unread.process == 0 and unread.quality == .25
    assert Rated(Reply("x"), .72).marked == "x (score 7/10)"


def test_a_process_judge_reads_each_solution_up_to_each_step() -> None:
    seen: list[str] = []

    async def outcome(request: Request, texts: Sequence[str]) -> list[float | None]:
        return [0.0 for _ in texts]

    async def process(request: Request, texts: Sequence[str]) -> list[float | None]:
        seen.extend(texts)
        return [None if "c" in text else 0.0 for text in texts]
    pool = asyncio.run(rated(QUESTION, [Reply("a\nb\nc"), Reply("d", "D")], [outcome, process], 3))
    assert seen == ["a", "a\nb", "a\nb\nc", "d"] and [r for _, r in pool[0].steps] == [.5, .5, 0] and pool[1].process == .5
    plain: list[Rating] = [judging(Scripted("v", [], scores=lambda text: 0.0))]
    assert asyncio.run(rated(QUESTION, [Reply("a")], plain))[0].steps == () and asyncio.run(rated(QUESTION, [], plain)) == []


def test_hard_needs_low_rewards_and_an_open_vote() -> None:
    spread = groups(*(solution(x, .2) for x in "AABCDE"))
    assert hard(spread, .5, .1) and not hard(spread, .1, .1) and not hard(spread, .5, 0.0)
    assert not hard(groups(*(solution("A", .2) for _ in range(4))), .5, .1), "one answer"
    assert not hard(groups(*(solution(x, .2) for x in "ABC")), .5, .1), "three answers never suffice"
    sure = groups(solution("A", .2, .9), *(solution(x, .2, .01) for x in "BCD"))
    assert hard(sure, 2.0, .1), "open by outcomes alone"
    split_steps = groups(solution("A", .9, .1), *(solution(x, .01, .1) for x in "BCD"))
    assert hard(split_steps, 2.0, .1) and not hard(groups(solution("A", .9), *(solution(x, .01) for x in "BCD")), 2.0, .1)


def test_the_answer_with_the_largest_sum_and_its_best_solution() -> None:
    best = solution("B", .5)
    assert elected(groups(solution("A", .6), solution("B", .3), best, solution("", 1.0))) is best.reply
    first = solution("A", .5)
    assert elected(groups(first, solution("B", .5))) is first.reply
