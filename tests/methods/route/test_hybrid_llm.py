"""Hybrid LLM: labels of the paper, the tolerated gap, the direction of the threshold."""

from __future__ import annotations

import asyncio
import itertools

import numpy as np
import pytest

from consilience.learn.table import Table
from consilience.methods.route.hybrid_llm import HybridLlm, good_enough, spread
from consilience.model import Price
from consilience.team import Team
from consilience.types import Request, Sampling
from tests.members import Scripted
from tests.methods.questions import split

SMALL, LARGE = [.2, .6, .8], [.5, .7]


def draws(small: list[float], large: list[float]) -> np.ndarray:
    """All pairs: each draw of one beside each of the other."""
    pairs = list(itertools.product(small, large))
    return np.array([[[s, b]] for s in small for b in large]).reshape(len(pairs), 1, 2)


def test_labels_of_the_catalogue() -> None:
    found = [float(good_enough(draws(SMALL, LARGE), 1, gap)[0, 0]) for gap in (0.0, .1)]
    assert found == pytest.approx([3 / 6, 4 / 6], abs=1e-9)
    more = [float(good_enough(draws(SMALL, LARGE), 1, gap)[0, 0]) for gap in np.linspace(0, 1, 20)]
    assert more == sorted(more) and more[-1] == 1.0


def test_the_spread_is_that_of_all_pairs_and_highest_at_a_half() -> None:
    labels = np.random.default_rng(0).random(9)
    assert spread(labels) == pytest.approx(np.abs(labels[:, None] - labels).mean())
    shares = {p: spread(np.repeat([1.0, 0.0], [p, 10 - p])) for p in range(11)}
    assert shares[3] == pytest.approx(2 * .3 * .7) and max(shares, key=lambda p: shares[p]) == 5


def table(small: list[float], large: list[float]) -> Table:
    scores = np.array([small, large]).T
    return Table(("small", "large"), tuple(map(str, range(len(small)))), ("g",) * len(small), scores,
                 np.tile([.001, .01], (len(small), 1)), np.ones(scores.shape), np.eye(len(small), dtype=np.float32))


def test_a_small_model_that_is_always_worse_is_given_a_gap() -> None:
    behind = table([.4, .1, .3, .0] * 3, [.5, .6, .4, .9] * 3)
    found = HybridLlm().learn(behind).values
    assert found["large"] == 1 and found["gap"] >= .1
    assert HybridLlm(label="probabilistic").learn(behind).values["gap"] == 0.0


def test_the_large_one_is_worth_one_and_nothing_is_worth_more() -> None:
    made, known = HybridLlm(steps=60), table([1.0, 0.0] * 8, [1.0] * 16)
    worth = made.worth(made.learn(known), known.x, known.texts)
    assert (worth[:, 1] == 1).all() and (worth[:, 0] >= 0).all() and (worth <= 1).all()


def test_money_goes_where_it_helps_and_several_samples_are_asked() -> None:
    dev = split([(f"{'sum' if i % 2 else 'poem'} number {i}", "A") for i in range(40)])
    dev = dev.__class__("dev", tuple(e.__class__(e.id, e.request.sampled(temperature=1.0), e.references, task="t") for e in dev))
    small = Scripted("small", lambda r, d: "A" if r.question.startswith("poem") else "B", price=Price(.1, .1))
    large = Scripted("large", ["A"], price=Price(50, 50))
    team = Team(HybridLlm(samples=2, min_quality="90% of best"), [large, small]).fit_sync(dev)
    told = {q: asyncio.run(team.generate(Request.of(q, form="answer", format=dev[0].request.format, sampling=Sampling())))[0].note["route"]
            for q in ("poem number 3", "sum number 8")}
    assert told == {"poem number 3": "small", "sum number 8": "large"}
    assert .2 < team.method.found().values["expected"]["shares"]["small"] < .7
