"""The routers with classical estimators: their options, and the worked examples of ratings."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from consilience.errors import ConfigError
from consilience.learn.duels import ELO
from consilience.learn.table import Table
from consilience.methods.route.elo_router import EloRouter
from consilience.methods.route.linear_router import LinearRouter
from consilience.methods.route.matrix_factorisation import MatrixFactorisation
from consilience.methods.route.similarity_bt import SimilarityBt, weights
from consilience.registry import method
from consilience.team import Team
from consilience.types import Request
from tests.methods.route.test_knn_router import DEV, FRUITIST, METALLIST


def table(x: np.ndarray, scores: np.ndarray) -> Table:
    names = tuple("abcdefgh"[:scores.shape[1]])
    return Table(names, tuple(map(str, range(len(x)))), ("t",) * len(x), scores, np.ones(scores.shape), np.ones(scores.shape), x)


@pytest.mark.parametrize("name, options", [
    ("linear-router", {}), ("linear-router", {"kind": "logistic", "c": 50.0}), ("mlp-router", {}),
    ("matrix-factorisation", {}), ("similarity-bt", {})])
def test_experts_are_asked(name: str, options: dict[str, Any]) -> None:
    team = Team(method(name, options), [FRUITIST, METALLIST]).fit_sync(DEV)
    route = {q: asyncio.run(team.generate(Request.of(q, form="answer", format=DEV[0].request.format)))[0].note["route"]
             for q in ("apple pie", "iron bar")}
    assert route == {"apple pie": "fruit", "iron bar": "metal"}


@pytest.mark.parametrize("name, options", [
    ("linear-router", {"c": 0}), ("svm-router", {"c": -1}), ("mlp-router", {"layers": ()}), ("mlp-router", {"layers": (0,)}),
    ("mlp-router", {"decay": -1}), ("boosted-router", {"leaves": 1}), ("boosted-router", {"rate": 0}), ("svm-router", {"most": 0})])
def test_options_out_of_range(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=name):
        method(name, options)


def test_elo_is_one_rating_per_member_whatever_is_asked() -> None:
    x = np.eye(8, 4, dtype=np.float32)
    found = EloRouter().learn(table(x, np.array([[1, 0, 0]] * 3 + [[0, 0, 1]] + [[1, 1, 0]] * 4, dtype=float)))
    elo = found.values["elo"]
    assert max(elo, key=elo.get) == "a" and sum(elo.values()) == pytest.approx(3000, abs=.01)
    assert len(np.unique(EloRouter().worth(found, x, [""] * 8), axis=0)) == 1
    even = EloRouter().learn(table(x, np.tile([[1.0, 0.0]], (8, 1)) * 0)).values["elo"]
    assert set(even.values()) == {1000.0}


def test_weights_of_the_catalogue() -> None:
    found = weights(np.array([[1, .5, 0]]))
    assert found[0] / found[0, 2] * 10 == pytest.approx([100, 31.62, 10], abs=.01)
    assert weights(np.array([[-.5, -.1, 0]])).tolist() == [pytest.approx([1 / 3] * 3)]


def test_similar_duels_move_the_ratings() -> None:
    x = np.repeat(np.eye(2, dtype=np.float32), 5, axis=0)
    scores = np.repeat([[1.0, 0.0], [0.0, 1.0]], 5, axis=0)
    made = SimilarityBt()
    worth = made.worth(made.learn(table(x, scores)), np.eye(2, dtype=np.float32), ["", ""])
    assert worth[0] == pytest.approx([10 / 11, 1 / 11], abs=1e-4), "weights 100 and 10: odds of ten to one"
    swapped = made.worth(made.learn(table(x, scores[:, ::-1])), np.eye(2, dtype=np.float32), ["", ""])
    assert swapped == pytest.approx(1 - worth, abs=1e-6)
    assert 400 / ELO == pytest.approx(np.log(10))


def test_members_of_one_tier_are_worth_the_same() -> None:
    rng = np.random.default_rng(0)
    scores = (rng.random((60, 6)) < [.2, .22, .5, .52, .9, .88]).astype(float)
    x = rng.standard_normal((60, 4)).astype(np.float32)
    made = SimilarityBt(tiers=3)
    worth = made.worth(made.learn(table(x, scores)), x[:3], [""] * 3)
    assert all(len(set(np.round(row, 9))) == 3 and row[4:].min() > row[2:4].max() > row[:2].max() for row in worth)


def test_factors_of_two_swapped_are_one_minus() -> None:
    x = np.random.default_rng(1).standard_normal((40, 4)).astype(np.float32)
    scores = np.stack([x[:, 0] > 0, x[:, 0] <= 0], axis=1).astype(float)
    made, given = MatrixFactorisation(steps=200, rate=.01), table(x, scores)
    worth = made.worth(made.learn(given), x, given.texts)
    assert worth.sum(axis=1) == pytest.approx(np.ones(40)) and (worth.argmax(axis=1) == scores.argmax(axis=1)).mean() > .9


def test_a_straight_line_finds_the_direction() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((200, 4)).astype(np.float32)
    given = table(x, np.stack([.5 + .1 * x[:, 0], np.full(200, .5)], axis=1))
    assert LinearRouter().learn(given).arrays["weights"] == pytest.approx(np.array([[.1, 0, 0, 0], [0, 0, 0, 0]]), abs=2e-3)
