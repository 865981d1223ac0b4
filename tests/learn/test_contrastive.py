"""The two contrasts of RouterDC: worked losses, gradients against autograd, odd cases."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.learn.contrastive import Contrast, Triples, extremes, member_loss, question_loss

YES, NO = np.array([[True, False]]), np.array([[False, True]])


def test_worked_losses() -> None:
    loss, _ = member_loss(np.array([[1.0, 0.0]]), YES, NO)
    assert loss == pytest.approx(log(1 + exp(-1))) and round(loss, 4) == .3133
    assert member_loss(np.array([[1.0, 0.0]]) + 7, YES, NO)[0] == pytest.approx(loss), "a constant changes nothing"
    far, grad = member_loss(np.array([[-2000.0, 0.0]]), YES, NO)
    assert np.isfinite(far) and np.isfinite(grad).all()
    nothing, grad = member_loss(np.ones((1, 2)), np.ones((1, 2), bool), np.zeros((1, 2), bool))
    assert nothing == 0 and not grad.any(), "all are good: nothing to contrast"


def test_extremes() -> None:
    good, bad = extremes(np.array([[1., 1., 0., 0.], [0., 0., 0., 0.], [1., 1., 1., 1.]]), np.array([.1, .2, .3, .4]), 3, 3)
    assert good.tolist()[0] == [True, True, False, False] and bad.tolist()[0] == [False, False, True, True]
    assert not good[1].any() and bad[1].sum() == 3, "a score of 0 is never among the best"
    assert good[2].sum() == 3 and not bad[2].any()
    good, bad = extremes(np.array([[1., 0.]]), np.array([.5, .5]), 99, 99)
    assert good.tolist() == [[True, False]] and bad.tolist() == [[False, True]], "clipped to the team's size"


@settings(max_examples=20)
@given(st.integers(0, 999))
def test_losses_are_not_negative_and_follow_their_members(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, sims = rng.integers(0, 3, (5, 4)) / 2, rng.standard_normal((5, 4))
    standing, turn = scores.mean(axis=0) + rng.random(4) / 9, rng.permutation(4)
    loss, grad = member_loss(sims, *extremes(scores, standing, 2, 2))
    turned, turned_grad = member_loss(sims[:, turn], *extremes(scores[:, turn], standing[turn], 2, 2))
    assert loss >= 0 and turned == pytest.approx(loss) and np.allclose(turned_grad, grad[:, turn])


def test_rows_without_like_or_unlike_ones_are_left_out_and_the_rest_stays_aligned() -> None:
    rng = np.random.default_rng(0)
    near = Triples.drawn(np.array([0, 1, 1, 2, 1]), 2, rng)
    assert list(near.rows) == [1, 2, 4] and set(near.same) <= {1, 2, 4} and not (near.same == near.rows).any()
    assert set(near.other.ravel()) <= {0, 3}
    alone = Triples.drawn(np.zeros(3, int), 1, rng)
    assert len(alone.rows) == 0 and question_loss(np.ones((3, 3)), alone) == (0.0, pytest.approx(np.zeros((3, 3))))


def test_gradients_are_those_of_autograd() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, scores = rng.standard_normal((6, 5)), rng.integers(0, 2, (6, 4)).astype(float)
    good, bad = extremes(scores, rng.random(4), 2, 2)
    near = Triples.drawn(np.array([0, 0, 1, 1, 2, 2]), 2, rng)
    w = {"turn": rng.standard_normal((5, 3)), "members": rng.standard_normal((4, 3))}
    loss, grad = Contrast(3, 2, 2, 2, .5, .7).slope(w, x, good, bad, near)

    turn, members = (torch.tensor(w[k], requires_grad=True) for k in ("turn", "members"))
    z = torch.nn.functional.normalize(torch.tensor(x) @ turn, dim=1)
    sims, like = z @ torch.nn.functional.normalize(members, dim=1).T / .5, z @ z.T
    theirs = sum(torch.logsumexp(sims[r, [i, *np.flatnonzero(bad[r])]], 0) - sims[r, i]
                 for r in range(6) for i in np.flatnonzero(good[r])) / 6
    apart = [torch.logsumexp(like[r, [s, *o]], 0) - like[r, s] for r, s, o in zip(near.rows, near.same, near.other, strict=True)]
    whole = theirs + .7 * sum(apart) / len(apart)
    whole.backward()
    assert loss == pytest.approx(whole.item())
    assert np.allclose(grad["turn"], turn.grad) and np.allclose(grad["members"], members.grad)
