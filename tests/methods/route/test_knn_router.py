"""kNN router: neighbours, sizes, ties, saving."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from consilience.errors import TeamError
from consilience.learn.embedding import Tfidf
from consilience.learn.neighbours import best_size, guarded, neighbours
from consilience.methods.route.knn_router import KnnRouter
from consilience.saved import read_learned, write_learned
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted, down
from tests.methods.questions import split

FRUIT = ["apple pie", "pear tart", "plum cake", "apple juice", "pear jam", "plum wine"]
METAL = ["iron bar", "copper wire", "zinc plate", "iron nail", "copper pot", "zinc roof"]
DEV = split([(q, "A") for q in FRUIT + METAL])
FRUITIST = Scripted("fruit", lambda r, d: "A" if r.question in FRUIT else "B")
METALLIST = Scripted("metal", lambda r, d: "A" if r.question in METAL else "B")


def route(team: Team, question: str) -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=DEV[0].request.format)))[0]


def test_the_expert_of_similar_questions_answers() -> None:
    team = Team(KnnRouter(k=2), [FRUITIST, METALLIST]).fit_sync(DEV)
    assert route(team, "apple tart").note["route"] == "fruit" and route(team, "an iron roof").note["route"] == "metal"
    assert route(team, "apple tart").usage.calls == 1


def test_a_dev_question_has_its_own_label_with_one_neighbour() -> None:
    team = Team(KnnRouter(k=1), [FRUITIST, METALLIST]).fit_sync(DEV)
    assert sum(asyncio.run(DEV.evaluate(team))) == len(DEV)


def test_all_neighbours_are_best_on_dev() -> None:
    more = split([(q, "A") for q in FRUIT + METAL[:2]])
    team = Team(KnnRouter(k=len(more)), [METALLIST, FRUITIST]).fit_sync(more)
    assert {route(team, q).note["route"] for q in [*METAL, "??", ""]} == {"fruit"}


def test_order_of_dev_and_duplicates_change_nothing() -> None:
    shuffled = DEV.__class__("dev", (*DEV.examples[::-1], DEV.examples[3]))
    a, b = (Team(KnnRouter(), [FRUITIST, METALLIST]).fit_sync(d).method.found() for d in (DEV, shuffled))
    assert a.digest == b.digest


def test_neighbours_of_the_catalogue() -> None:
    known = np.array([[1, 0]] * 3 + [[0, 1]] * 3)
    similar = np.array([[.9, .1]]) @ known.T
    assert list(known[neighbours(similar, 3)[0]].mean(axis=0)) == [1, 0]
    assert list(neighbours(similar * 2, 6)[0]) == list(neighbours(similar, 6)[0]) == [0, 1, 2, 3, 4, 5]
    assert neighbours(similar, 99).shape == (1, 6)


def test_the_size_is_chosen_by_the_other_questions() -> None:
    merit = np.array([[1, 0]] * 6 + [[0, 1]] * 6, dtype=float)
    texts = [e.question for e in DEV]
    assert best_size(Tfidf.of(texts).encode(texts), merit) < 12


def test_the_guard_needs_clear_neighbours() -> None:
    near = np.array([[[0., 1.]] * 8, [[0., 1.]] * 4 + [[1., 0.]] * 4])
    means, standing = near.mean(axis=1), np.array([.6, .5])
    picks = guarded(means, near, standing, 2.0).argmax(axis=1)
    assert list(picks) == [1, 0], "eight of eight speak clearly, four of eight do not"
    assert list(guarded(means, near, standing, 1e9).argmax(axis=1)) == [0, 0]
    assert guarded(near[:1, 0], near[:1, :1], standing, 0.0).argmax() == 0, "a single neighbour does not"


def test_ties_go_to_the_better_on_dev() -> None:
    same = Scripted("same", lambda r, d: "A" if r.question in FRUIT else "B")
    team = Team(KnnRouter(k=3), [same, Scripted("all", ["A"])]).fit_sync(DEV)
    assert route(team, "apple tart").note["route"] == "all"


def test_what_is_learned_survives_a_save(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = Team(KnnRouter(), [FRUITIST, METALLIST]).fit_sync(DEV).method.found()
    write_learned(found, tmp_path)
    again = read_learned(tmp_path)
    assert again is not None and again.digest == found.digest


def test_failures() -> None:
    method = Team(KnnRouter(), [FRUITIST, METALLIST]).fit_sync(DEV).method
    assert route(Team(method, [down("fruit"), METALLIST]), "apple tart").note["fallback"] is True
    with pytest.raises(TeamError, match="fitted"):
        route(Team(KnnRouter(), [FRUITIST]), "apple")
    with pytest.raises(TeamError, match="fit it again"):
        Team(method, [FRUITIST])
