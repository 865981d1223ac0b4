"""Comparisons by a judge, and orders from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import ModelError
from consilience.gather import Member, Run
from consilience.learn.ranking import Duels, by_margins, by_wins, order
from consilience.model import Measured
from consilience.types import Request
from tests.members import Answer, Scripted

TEXTS = ("pear", "plum", "fig", "lime")
QUESTION = Request.of("Which fruit?", form="answer")


def duels(judge: Scripted, **options: bool) -> Duels:
    return Duels(QUESTION, TEXTS, Member(judge, 0, Run()), **options)     # type: ignore[arg-type]


def judge(prefers: Callable[[str, str], bool]) -> Scripted:
    def say(request: Request, draw: int) -> Answer:
        fields = dict(request.fields)
        return "A" if prefers(str(fields["a"]), str(fields["b"])) else "B"
    return Scripted("j", say)


def test_orders_of_the_catalogue() -> None:
    beats_all = [[0, .1, .1], [-.1, 0, 5], [-.1, -5, 0]]
    assert order(by_wins(beats_all)) == [0, 1, 2]
    assert [round(s, 6) for s in by_margins(beats_all)] == [.4, 9.8, -10.2] and order(by_margins(beats_all))[0] == 1
    assert by_wins([[0, 0], [0, 0]]) == [.5, .5] and order([1.0, 1.0 + 1e-12]) == [0, 1]
    cycle = [[0, 1, -1], [-1, 0, 1], [1, -1, 0]]
    assert len({*by_wins(cycle)}) == len({*by_margins(cycle)}) == 1 and order(by_wins(cycle)) == [0, 1, 2]


@given(st.permutations(TEXTS))
def test_who_beats_all_is_first_by_wins_and_after_a_bubble_pass(ranked: list[str]) -> None:
    one = duels(judge(lambda a, b: ranked.index(a) < ranked.index(b)))
    margins = asyncio.run(one.all())
    assert [TEXTS[i] for i in order(by_wins(margins))] == [TEXTS[i] for i in order(by_margins(margins))] == ranked
    assert TEXTS[asyncio.run(one.champion())] == ranked[0]


@pytest.mark.parametrize("swap", [False, True])
@given(st.lists(st.sampled_from(["A", "B", "hm"]), min_size=1, max_size=12))
def test_margins_are_antisymmetric_whatever_is_said(swap: bool, said: list[str]) -> None:
    verdicts = iter(said * 12)
    margins = asyncio.run(duels(Scripted("j", lambda request, draw: next(verdicts)), swap=swap).all())
    assert all(margins[i][j] == -margins[j][i] for i in range(4) for j in range(4))


def test_both_orders_cancel_a_bias_of_place() -> None:
    margins = asyncio.run(duels(Scripted("j", ["A"]), swap=True).all())
    assert not any(map(any, margins))


def test_a_judge_that_fails_makes_draws_and_is_absent() -> None:
    one = duels(Scripted("j", [ModelError("gone", reason="down")]))
    assert not any(map(any, asyncio.run(one.all()))) and asyncio.run(one.champion()) == 0
    assert {a.reason for a in one.judge.run.absent} == {"down"}


class Failing(Scripted):
    """A judge with every power, none of which works."""

    def power(self, kind: type) -> object:
        return self

    async def next(self, request: Request, choices: Sequence[str]) -> Measured[list[float]]:
        raise ModelError("gone", reason="down")

    async def verify(self, request: Request, answers: Sequence[str]) -> Measured[list[float | None]]:
        raise ModelError("gone", reason="down")


@pytest.mark.parametrize("judging", ["odds", "rating"])
def test_powers_of_a_judge_that_fail_make_draws_too(judging: str) -> None:
    one = Duels(QUESTION, TEXTS, Member(Failing("j", ["A"]), 0, Run()), judging=judging)  # type: ignore[arg-type]
    assert not any(map(any, asyncio.run(one.all()))) and {a.reason for a in one.judge.run.absent} == {"down"}
