"""Skills: how they are read, matched, weighed and drawn by."""

from __future__ import annotations

import asyncio
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from consilience.gather import Member, Members, Run
from consilience.learn.skills import (
    Profiles,
    listed,
    named,
    recruits,
    synthetic,
    vectors,
)
from consilience.method import Scored
from consilience.types import Reply, Request
from tests.members import Scripted, down

QUESTION = Request.of("What is 2x?", form="answer")


def profiles(table: dict[str, list[float]]) -> Profiles:
    members = len(next(iter(table.values())))
    return Profiles(list(table), np.array(list(table.values())), vectors("letters", list(table)), np.ones(members))


def test_lists() -> None:
    assert listed("Algebra, Basic Logic;\n3. number theory\na name that is far too long to be one") == {
        "algebra", "basic logic", "number theory"}
    assert listed("1) sums 2) C++, ,") == {"sums", "c++"} and listed("...") == set()


def test_skills_that_more_than_one_list_names() -> None:
    said = ["algebra, logic", "Algebra", "geometry, logic"]
    tagger = Scripted("t", said)

    def ask(draws: int) -> list[str]:
        return asyncio.run(named(QUESTION, Member(tagger, 0, Run()), draws))
    assert ask(3) == ["algebra", "logic"] and ask(1) == ["algebra", "logic"] and ask(2) == ["algebra"]
    assert tagger.prompts[0].startswith("What is 2x?") and "Do not answer" in tagger.prompts[0]
    broken = Member(down("d"), 0, Run())
    assert asyncio.run(named(QUESTION, broken, 3)) == [] and broken.run.absent[0].member == "d"


def test_the_record_of_each_member_on_each_skill() -> None:
    needed = [["algebra"]] * 3 + [["logic"], ["algebra", "logic"], []]
    right = np.array([[1, 0], [1, 0], [1, 1], [0, 1], [0, 1], [1, 1]], bool)
    made = Profiles.of(needed, right, "letters")
    assert list(made.skills) == ["algebra", "logic"] and made.profile.tolist() == [[2, 0], [-2, 2]]


def test_worked_examples() -> None:
    both = profiles({"algebra": [3.0, 1.0], "logic": [-1.0, 0.0]})
    assert both.profile[[0, 1], 0].sum() == 2
    chances = both.chances([0, 1])
    assert chances.sum() == pytest.approx(1) and chances == pytest.approx(np.array([2 * 4, 1 * 1]) / 9)
    negative = profiles({"sums": [-3.0, -1.0]}).chances([0])
    assert negative == pytest.approx(np.array([1 * 1, 3 * 9]) / 28), "all below zero are shifted to (1, 3)"
    only = profiles({"sums": [5.0, -2.0], "art": [-5.0, 2.0]})
    assert only.chances([0]).tolist() == [1, 0] and only.chances([]).tolist() == [.5, .5]


@given(arrays(np.float64, (3, 4), elements=st.integers(-9, 9).map(float)), st.sets(st.integers(0, 2)))
def test_chances_are_chances_whatever_the_record(table: np.ndarray, rows: set[int]) -> None:
    made = Profiles(["a", "b", "c"], table, vectors("letters", ["a", "b", "c"]), np.ones(4))
    chances = made.chances(sorted(rows))
    assert (chances >= 0).all() and chances.sum() == pytest.approx(1)
    turned = Profiles(["a", "b", "c"], table[:, ::-1], made.space, made.usual).chances(sorted(rows))
    assert turned == pytest.approx(chances[::-1])


def test_who_is_rarely_recruited_is_not() -> None:
    right = np.array([[1, 1, 0]] * 20 + [[1, 1, 1]], bool)
    made = Profiles.of([["sums"]] * 20 + [["art"]], right, "letters")
    assert made.usual.tolist() == [1, 1, 0] and made.chances([made.skills.index("art")])[2] == 0


def test_the_nearest_skill() -> None:
    made = profiles({"algebra": [1.0], "logic": [1.0], "spelling": [1.0]})
    assert made.known(["linear algebra", "spell", "logic"], "letters") == [0, 1, 2]
    assert made.known(["zzz"], "letters") == [] and made.known([], "letters") == []
    assert Profiles([], np.zeros((0, 1)), vectors("letters", []), np.ones(1)).known(["sums"], "letters") == []


def test_recruits_follow_the_chances_and_nothing_else() -> None:
    run = Run()
    bound = Members(tuple(Member(Scripted(n, ["A"]), i, run) for i, n in enumerate("abc")))
    chances = np.array([.6, .3, .1])
    drawn = Counter(m.name for i in range(3334) for m in recruits(Request.of(f"q{i}"), bound, chances, 3))
    assert [drawn[n] / 10002 for n in "abc"] == pytest.approx(chances, abs=.02)
    turned = Members(tuple(Member(Scripted(n, ["A"]), i, run) for i, n in enumerate("cab")))
    for i in range(20):
        here = recruits(Request.of(f"q{i}"), bound, chances, 3)
        there = recruits(Request.of(f"q{i}"), turned, chances[[2, 0, 1]], 3)
        assert sorted(m.name for m in here) == sorted(m.name for m in there)


def test_one_right_and_two_wrong() -> None:
    def row(*said: tuple[str | None, float]) -> list[Scored]:
        return [Scored(Reply(text), score) if text is not None else Scored(None, 0.0) for text, score in said]
    rows = [row(("a", 1), ("x", 0)), row(("b", 0), ("y", 0)), row(("b", 0), (None, 0)), row(("c", 0), ("z", 0)),
            row(("d", 0), ("w", 0))]
    found = synthetic(rows, ["one", "two"])
    assert list(found) == ["one"] and sorted(found["one"]) == ["a", "b", "c"]
