"""Helpers of the combiners, on the catalogue's worked numbers."""

from __future__ import annotations

import torch

from consilience.decode.tensors import Alone, MeanLogits, entropy, log_probs, mix_log, weigh

P = torch.tensor([[[0.9, 0.1]], [[0.5, 0.5]]])


def test_pools() -> None:
    mixed = mix_log(torch.tensor([0.5, 0.5]), P.log())
    assert torch.allclose(mixed.exp(), torch.tensor([[0.7, 0.3]]))
    mean = torch.softmax(MeanLogits().combine(P.log()), -1)
    assert torch.allclose(mean, torch.tensor([[0.75, 0.25]]))
    assert torch.equal(Alone().combine(P), P[0])
    assert torch.allclose(weigh([2, -1], P), 2 * P[0] - P[1])


def test_a_member_of_weight_zero_takes_no_part() -> None:
    ruled_out = torch.tensor([[[1.0, 0.0]], [[0.5, 0.5]]]).log()
    assert torch.allclose(mix_log(torch.tensor([0.0, 1.0]), ruled_out).exp(), torch.tensor([[0.5, 0.5]]))
    assert torch.allclose(mix_log(torch.tensor([1.0, 0.0]), ruled_out).exp(), torch.tensor([[1.0, 0.0]]))
    assert torch.isfinite(weigh([0, 1], ruled_out)).all()


def test_weights_may_differ_by_row() -> None:
    log_p = P.log().expand(2, 3, 2)
    weights = torch.tensor([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
    assert torch.allclose(mix_log(weights, log_p).exp(), torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.7, 0.3]]))


def test_entropy() -> None:
    assert torch.allclose(entropy(P.log()), torch.tensor([[0.3251], [0.6931]]), atol=1e-4)
    assert torch.allclose(entropy(torch.tensor([1.0, 0.0]).log()), torch.tensor(0.0))
    assert torch.allclose(log_probs(torch.tensor([1.0, 1.0])).exp(), torch.tensor([0.5, 0.5]))
