"""The arithmetic of merging: the catalogue's numbers and invariants."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from consilience.errors import ConfigError
from consilience.merge.rules import Linear, TaskVectors, dropped, largest, random_mask


def t(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def taus(rule: TaskVectors, weights: list[float], *vectors: Tensor) -> list[float]:
    return rule.combine("w", vectors, weights, torch.zeros_like(vectors[0]), 0).tolist()


def linear(weights: list[float], *vectors: Tensor, normalize: bool = True) -> list[float]:
    return Linear(normalize).combine("w", vectors, weights, None, 0).tolist()


def test_linear() -> None:
    assert linear([1, 1], t(1, 3), t(3, 5)) == [2, 4]
    assert linear([1, 3], t(1, 3), t(3, 5)) == [2.5, 4.5] == linear([3, 1], t(3, 5), t(1, 3))
    assert linear([1, -1], t(1, 3), t(3, 5), normalize=False) == [-2, -2]
    with pytest.raises(ConfigError, match="sum to 0"):
        linear([1, -1], t(1, 3), t(3, 5))
    assert Linear().combine("w", [None, t(1, 2)], [1, 1], None, 0).tolist() == [1, 2], "holders only"


def test_task_arithmetic() -> None:
    base, one, two = t(1, 1), t(2, 1), t(1, 3)
    def merged(scale: float, weights: list[float], *models: Tensor) -> list[float]:
        return TaskVectors(scale).combine("w", models, weights, base, 0).tolist()
    assert merged(.5, [1, 1], one, two) == [1.5, 2]
    assert merged(0, [1, 1], one, two) == [1, 1] == merged(1, [1, -1], one, one)
    assert merged(1, [1], one) == one.tolist()
    with pytest.raises(ConfigError, match="base"):
        TaskVectors().combine("w", [one], [1], None, 0)


TAUS = t(4, -1, .5, -3), t(-2, 3, .1, -1), t(1, 2, -3, -.2)
TIES = TaskVectors(1.0, "magnitude", .5, True)


def test_ties() -> None:
    assert [(v * largest(v, .5)).tolist() for v in TAUS] == [[4, 0, 0, -3], [-2, 3, 0, 0], [0, 2, -3, 0]]
    assert taus(TIES, [1, 1, 1], *TAUS) == [4, 2.5, -3, -3]
    assert taus(TIES, [.5, .3, .2], *TAUS) == pytest.approx([4, 2.6, -3, -3])
    assert taus(TaskVectors(1.0, "magnitude", 1.0, True), [1], TAUS[0]) == TAUS[0].tolist()
    assert taus(TaskVectors(1.0, "magnitude", 1.0, True), [1, 1], t(1, 2), t(3, 4)) == [2, 3]
    assert taus(TIES, [1], t(0, 0, 0)) == [0, 0, 0]


def test_ties_of_magnitude_are_kept_by_index_and_at_least_one_is_kept() -> None:
    assert largest(t(1, -1, 1, 1), .5).tolist() == [True, True, False, False]
    assert largest(t(1, 2, 3), .1).sum() == 1


def test_dare_rescales() -> None:
    tau, mask = t(4, -2, 1, -1), t(1, 0, 1, 0)
    assert dropped(tau, mask, .5).tolist() == [8, 0, 2, 0]
    assert dropped(tau, mask, None).tolist() == pytest.approx([6.4, 0, 1.6, 0])
    assert dropped(tau, mask * 0, None).tolist() == [0, 0, 0, 0]
    assert taus(TaskVectors(1.0, "random", 1.0), [1], tau) == tau.tolist()
    half = torch.tensor(taus(TaskVectors(1.0, "random", .5), [1], tau))
    assert torch.equal(half[half != 0], 2 * tau[half != 0])


def test_dare_is_right_on_average() -> None:
    tau = t(4, -2, 1, -1)
    n, density = 2000, .3
    made = torch.stack([TaskVectors(1.0, "random", density).combine("w", [tau], [1], torch.zeros(4), s) for s in range(n)])
    spread = (tau ** 2 * (1 - density) / density / n).sqrt()
    assert ((made.mean(0) - tau).abs() < 4 * spread).all()


def test_masks_depend_on_seed_tensor_and_model_alone() -> None:
    mask = random_mask((64,), .5, "a", 0, 0)
    assert torch.equal(mask, random_mask((64,), .5, "a", 0, 0))
    assert not any(torch.equal(mask, m) for m in (random_mask((64,), .5, "b", 0, 0), random_mask((64,), .5, "a", 1, 0),
                                                  random_mask((64,), .5, "a", 0, 1)))


@settings(max_examples=50)
@given(st.lists(st.lists(st.floats(-8, 8, width=32), min_size=5, max_size=5), min_size=2, max_size=4))
def test_a_ties_merge_lies_between_base_and_the_extremes(rows: list[list[float]]) -> None:
    vectors = [torch.tensor(r) for r in rows]
    made = torch.tensor(taus(TaskVectors(1.0, "magnitude", .6, True), [1.0] * len(rows), *vectors))
    low, high = torch.stack(vectors).amin(0).clamp(max=0), torch.stack(vectors).amax(0).clamp(min=0)
    assert ((made >= low - 1e-4) & (made <= high + 1e-4)).all()
