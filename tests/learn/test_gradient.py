"""Descent and how far to believe what it found."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.learn.gradient import Descent, Lean, parts


def test_descent_steps_like_adamw() -> None:
    torch = pytest.importorskip("torch")
    start = np.array([1.0, -2.0, 3.0])
    found = Descent(steps=1, lr=.1, decay=.01).down({"w": start}, lambda w, step: {"w": 2 * w["w"]}, lambda w: -float((w["w"]**2).sum()))
    w = torch.tensor(start, requires_grad=True)
    theirs = torch.optim.AdamW([w], lr=.1, weight_decay=.01)
    (w**2).sum().backward()
    theirs.step()
    assert np.allclose(found["w"], w.detach().numpy())


def test_the_best_weights_are_kept() -> None:
    up = Descent(steps=100, lr=.1).down({"w": np.ones(2)}, lambda w, step: {"w": -np.ones(2)}, lambda w: -float(w["w"].sum()))
    assert list(up["w"]) == [1, 1], "nothing was better than the start"


def test_a_preference_that_tells_moves_the_scores_and_noise_does_not() -> None:
    rng = np.random.default_rng(0)
    scores = (rng.random((400, 3)) < [.5, .6, .7]).astype(float)
    told, noise = scores + .1 * rng.standard_normal((400, 3)), rng.standard_normal((400, 3))
    standing = scores.mean(axis=0)
    lean = Lean.of(told, scores, standing, told.mean(axis=0))
    assert lean.slope == pytest.approx(1, abs=.1) and lean.gain > 0
    assert np.allclose((lean.base + lean.slope * told).mean(axis=0), standing)
    flat = Lean.of(noise, scores, standing, noise.mean(axis=0))
    assert flat.slope < .05
    assert Lean.of(-told, scores, standing, -told.mean(axis=0)).slope == 0, "never against the preference"
    assert Lean.of(0 * told, scores, standing, np.zeros(3)).slope == 0


def test_parts_share_no_row() -> None:
    here, held = parts(100)
    assert len(held) == 20 and sorted([*here, *held]) == list(range(100))
    assert list(parts(3)[0]) == list(parts(3)[1]) == [0, 1, 2]
