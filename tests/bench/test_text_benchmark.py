"""The benchmark of votes and judges on recorded answers: what it counts is what the library answers."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.errors import NoAnswerError
from consilience.method import Scored
from consilience.methods.text.majority_vote import MajorityVote
from consilience.reading import Choice
from consilience.tasks.score import Unscored
from consilience.team import Team
from consilience.types import Example, Reply, Request
from tests.members import Scripted

FOLDERS = [str(Path(__file__).parents[2] / "benchmarks" / name) for name in ("text", "routing")]
NAMES = ("votes", "layout", "judges", "sets", "run", "parts", "panels", "figures", "page")
QUESTION = Request.of("Which?", form="answer", format=Choice(4))


@pytest.fixture(scope="module", autouse=True)
def folders() -> Iterator[None]:
    """The benchmark's folder is where its modules are found, for these tests alone."""
    sys.path[:0] = FOLDERS
    yield
    for folder in FOLDERS:
        sys.path.remove(folder)
    for name in NAMES:
        sys.modules.pop(name, None)


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def ballots(classes: list[list[int]], score: list[list[float]]) -> object:
    table = np.array(classes)
    return module("votes").Ballots(table, np.array(score), np.ones(table.shape, dtype=bool), np.full(table.shape, np.nan), np.array(score))


SAID = st.lists(st.sampled_from(["A", "B", "C", "hm", None]), min_size=1, max_size=6)


@settings(max_examples=60)
@given(SAID, st.data(), st.sampled_from(["equal", "accuracy", "log-odds"]))
def test_a_counted_vote_is_the_librarys(said: list[str | None], data: st.DataObject, weights: str) -> None:
    standing = data.draw(st.lists(st.sampled_from([0.0, .25, .3, .5, .75, 1.0]), min_size=len(said), max_size=len(said)))
    kinds = {letter: place for place, letter in enumerate(dict.fromkeys(x for x in said if x in ("A", "B", "C")))}
    classes = np.array([[kinds[x] if x in kinds else -1 for x in said]])
    [pick] = module("votes").elected(classes, np.array([[x is not None for x in said]]), np.array(standing), weights)
    team = Team(MajorityVote(weights=weights, stop="never"), [Scripted(f"m{i}", [x]) for i, x in enumerate(said)], standing=standing)
    try:
        [reply] = asyncio.run(team.generate(QUESTION))
    except NoAnswerError:
        assert pick == -1
        return
    assert (reply.text, reply.reading) == (said[pick], said[pick] if said[pick] in kinds else None)


def test_a_vote_of_some_members_knows_their_standing_and_keeps_team_order() -> None:
    one = ballots([[0, 1, 1], [0, 1, -1]], [[1, 0, 0], [0, 1, 0]])
    voted, standing = module("votes").voted, np.array([.6, .5, .4])
    assert voted(one, standing, [0, 1, 2]).tolist() == [0, 0], "two outvote one; a tie goes to the better on dev"
    assert voted(one, standing, [2, 0]).tolist() == [1, 0]


def test_equal_answers_score_alike_whatever_was_published() -> None:
    """A source that could not read an answer scored it 0; without a reference its word is all there is."""
    said = Scored(Reply("It is B.", reading="B", score=0.0), 0.0)
    asked = Example("1", QUESTION, ("B",))
    mark = module("votes").mark
    assert asyncio.run(mark(asked, said)) == 1.0
    unscored = replace(asked, request=QUESTION.having(format=Unscored("reference", "some", Choice(4))))
    assert asyncio.run(mark(unscored, said)) == 0.0
    assert asyncio.run(mark(asked, Scored(None, 0.0))) == 0.0


def test_teams_are_all_of_them_or_drawn_with_a_seed() -> None:
    subsets = module("votes").subsets
    assert subsets(4, 2, 6, 0) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    drawn = subsets(20, 5, 30, 0)
    assert len(set(drawn)) == 30 and all(len(set(team)) == 5 and list(team) == sorted(team) for team in drawn)
    assert drawn == subsets(20, 5, 30, 0) != subsets(20, 5, 30, 1)


def test_members_are_ranked_by_dev_then_team_order() -> None:
    assert module("votes").ranking(np.array([.5, .7, .5, .7 + 1e-15])) == [1, 3, 0, 2]


def test_errors_that_go_together() -> None:
    votes = module("votes")
    right = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]])
    assert votes.correlation(right[:, :2]) == pytest.approx(1) and votes.correlation(right[:, 1:]) == pytest.approx(-1)
    assert np.isnan(votes.correlation(np.ones((4, 2)))), "members without errors have no correlation"
    assert votes.echoed(ballots([[0, 0, 1], [0, 1, -1]], [[0, 0, 0], [0, 0, 0]])) == pytest.approx(1 / 4)


def test_condorcet() -> None:
    majority = module("votes").independent_majority
    assert majority(np.array([.6, .6, .6])) == pytest.approx(.648)
    assert majority(np.array([.5, .5])) == pytest.approx(.25), "half is no majority"


def test_a_question_counts_once() -> None:
    pages = module("votes").Pages(3)
    for where, values in (([0, 1], [1, 0]), ([0], [0])):
        pages.add("a", np.array(where), np.array(values, dtype=float))
    pages.add("b", np.array([0, 1]), np.array([0.0, 0.0]))
    assert pages.mean("a").tolist()[:2] == [.5, 0] and np.isnan(pages.mean("a")[2])
    assert pages.difference("a", "b").value == .25


def test_a_verdict_needs_a_small_p_and_an_interval_without_zero() -> None:
    differences = module("layout").differences
    clear = {"value": .1, "low": .05, "high": .15, "p": .001}
    assert differences([clear]) == ["+10.0 [+5.0, +15.0] **better**"]
    assert "**" not in differences([{**clear, "p": .2}])[0]
    assert "**" not in differences([{**clear, "p": .03}] * 2)[0], "adjusted for two"
    assert "**" not in differences([{**clear, "low": -.01}])[0]


def test_who_always_names_the_first_contradicts_itself() -> None:
    judges = module("judges")
    found = judges.portrait(judges.Verdicts(np.array([["1", "2"], ["1", "2"]]), np.array([[1., 0.], [0., 1.]])), ("1", "2"))
    assert (found["front"], found["consistent"]["value"], found["mean"]["value"]) == (1.0, 0.0, .5)
    fair = judges.portrait(judges.Verdicts(np.array([["1", "1"], ["2", "2"]]), np.ones((2, 2))), ("1", "2"))
    assert (fair["front"], fair["consistent"]["value"], fair["agreed"]["value"]) == (.5, 1.0, 1.0)


def test_halves_share_no_question() -> None:
    examples = [Example(str(i), Request.of(f"Question {i // 2}")) for i in range(20)]
    dev, test = module("judges").halves(examples, 0)
    assert sorted([*dev, *test]) == list(range(20))
    assert not {i // 2 for i in dev} & {i // 2 for i in test}
    assert module("judges").halves(examples, 1)[0].tolist() != dev.tolist()


def test_a_bubble_pass_finds_who_beats_all() -> None:
    champion = module("judges").champion
    assert champion([[0, -1, -1], [1, 0, -1], [1, 1, 0]]) == 2
    assert champion([[0, 0], [0, 0]]) == 0, "a draw changes nothing"
    assert champion([[0, 1, -1], [-1, 0, 1], [1, -1, 0]]) == 2, "in a circle the last one wins"


def test_a_set_is_played_through_the_library(tmp_path: Path) -> None:
    """One split of a small set: counted votes are held against the library's teams on the way."""
    sets = module("sets")
    if not sets.DATA.is_dir():
        pytest.skip(f"the recorded answers are not at {sets.DATA}")
    run = module("run")
    arena = run.Arena(sets.prepared(sets.by_name("mot-date"), tmp_path), 1)
    pages = module("votes").Pages(len(arena.examples))
    dev, test = arena.splits[0]
    standing = arena.ballots.at(dev).score.mean(axis=0)
    run.fixed(arena, pages, dev, test, standing)
    run.stopping(arena, pages, test, standing)
    assert pages.figure("oracle").value >= pages.figure("best single").value >= 0
    assert pages.figure("stop best first, equal: same").value == 1
