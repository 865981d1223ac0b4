"""Contrasts: numbers of the catalogue."""

from __future__ import annotations

import pytest
import torch

from consilience.learn.contrasts import Contrasted

EXPERT, AMATEUR = torch.tensor([[.5, .3, .16, .04]]).log(), torch.tensor([[.6, .2, .1, .1]]).log()


def test_the_original_form() -> None:
    scores = Contrasted(.1, .5, "difference").combine(torch.stack([EXPERT, AMATEUR]))[0]
    assert scores[:3].tolist() == pytest.approx([-.1823, .4055, .4700], abs=1e-4) and scores[3] == -torch.inf
    assert scores.argmax() == 2


def test_the_logit_form() -> None:
    p = Contrasted(.1, .5).combine(torch.stack([EXPERT, AMATEUR])).softmax(-1)[0]
    assert p.tolist() == pytest.approx([.4448, .3580, .1972, 0], abs=1e-4)


def test_extremes() -> None:
    both = torch.stack([EXPERT, EXPERT])
    same = Contrasted(.1, .5).combine(both).softmax(-1)[0]
    assert same.tolist() == pytest.approx([.5 / .96, .3 / .96, .16 / .96, 0], abs=1e-5), "the expert on its plausible tokens"
    assert Contrasted(1.0, 9.0).combine(torch.stack([EXPERT, AMATEUR])).argmax() == 0, "only its likeliest is left"
    assert Contrasted(.1, 0.0).combine(torch.stack([EXPERT, AMATEUR])).argmax() == 0


def test_top_and_bottom() -> None:
    logits = torch.tensor([[[1., 0.]], [[0., 1.]]])
    scores = Contrasted(0.0, .2).combine(logits)[0]
    assert (scores[0] - scores[1]).item() == pytest.approx(1.2 + .2)
    four = torch.randn(4, 3, 7, generator=torch.Generator().manual_seed(0))
    log_p = four.log_softmax(-1)
    wanted = log_p[0] + .3 * (log_p[0] + log_p[1] - log_p[2] - log_p[3])
    assert torch.allclose(Contrasted(0.0, .3, top=2).combine(four), wanted, atol=1e-5)
