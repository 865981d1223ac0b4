"""What tokens are drawn from when a draft is checked: when the small model's distribution stands, and when the large one's."""

from __future__ import annotations

import torch

from consilience.learn.speculations import Deferring, RollingBack

P, Q = torch.tensor([[.8, .2, 0.]]), torch.tensor([[.3, .4, .3]])
BOTH = torch.stack([P, Q]).log()


def drawn(scheme: Deferring | RollingBack) -> torch.Tensor:
    return scheme.combine(BOTH).softmax(-1)


def test_deferring() -> None:
    # max q = .4, max p = .8, TV = .5
    assert torch.allclose(drawn(Deferring(.7)), P) and torch.allclose(drawn(Deferring(.9)), Q)
    assert torch.allclose(drawn(Deferring(-9.0)), P), "it always defers"
    assert torch.allclose(drawn(Deferring(9.0)), Q), "it never defers"


def test_rolling_back() -> None:
    # the drafter's likeliest token costs 1.609 nats under the target
    assert torch.allclose(drawn(RollingBack(1.7, 0.0)), Q) and torch.allclose(drawn(RollingBack(1.5, 0.0)), P)
    assert torch.allclose(drawn(RollingBack(9.0, .5)), P), "the drafter is not sure"
    assert torch.allclose(drawn(RollingBack(torch.inf, 0.0)), Q)
