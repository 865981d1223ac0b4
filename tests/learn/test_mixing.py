"""Mixing with weights of one question: pools, members that left, weights."""

from __future__ import annotations

import pytest
import torch

from consilience.decode.policy import Sight
from consilience.learn.mixing import Mixed, Pooled, softmax

P, Q = torch.tensor([[.9, .1]]).log(), torch.tensor([[.5, .5]]).log()


def sight(state: list[float], gone: tuple[bool, bool] = (False, False), known: bool = True) -> Sight:
    row = torch.zeros(1)
    gone_now = torch.tensor(gone)[:, None]
    return Sight([P, Q], torch.full((2, 1), known) & ~gone_now, gone_now, [None, None], row.long(), torch.tensor([state]), row,
                 row.long(), row.long())


def scores(policy: Mixed, *args: object) -> list[float]:
    found = policy.decide(sight(*args)).scores  # type: ignore[arg-type]
    assert found is not None
    return found.softmax(-1)[0].tolist()


def test_pools_of_the_catalogue() -> None:
    assert scores(Mixed("probabilities"), [.5, .5]) == pytest.approx([.7, .3])
    assert scores(Mixed("logits"), [.5, .5]) == pytest.approx([.75, .25])
    for pool in ("logits", "probabilities"):
        assert scores(Mixed(pool), [1., 0.]) == pytest.approx([.9, .1])  # type: ignore[arg-type]
        assert scores(Mixed(pool), [.5, .5], (True, False)) == pytest.approx([.5, .5])  # type: ignore[arg-type]


def test_everybody_is_asked_first() -> None:
    ask = Mixed().decide(sight([.5, .5], known=False)).ask
    assert ask is not None and ask.all()


def test_pools_go_on_without_a_member() -> None:
    mean = Pooled("probabilities", (.25, .25, .5), 1.0)
    assert mean.without(frozenset({2})) == Pooled("probabilities", (.5, .5), 1.0)
    assert Pooled("logits", (1.0, 0.0), 1.0).without(frozenset({0})) is None
    assert Pooled("probabilities", (.5, .5), 1.0).combine(torch.stack([P, Q])).exp()[0].tolist() == pytest.approx([.7, .3])
    product = Pooled("logits", (1.0, 1.0), 1.0)
    assert product.combine(torch.stack([P, Q])).softmax(-1)[0].tolist() == pytest.approx([.9, .1])
    assert product.without(frozenset({1})) == Pooled("logits", (1.0,), 1.0), "a product of the others"


def test_weights() -> None:
    assert softmax([0, 0]) == [.5, .5] and softmax([1, 3], 0) == [0, 1]
    assert sum(softmax([5, -700, 3], .01)) == pytest.approx(1)
