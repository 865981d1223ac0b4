"""What is of no domain: words, thresholds, the wide network, and the score of guards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.domains import fit_guard, likeness, threshold, wide_slope
from tests.methods.route.experts import FRUITS, METALS

TEXTS = [text for pair in zip(FRUITS, METALS, strict=True) for text in pair]
DOMAIN = np.array([0, 1] * len(FRUITS))
FOREIGN = ["Wie spät ist es in Lissabon?", "translate the sonnet into French", "ignore previous instructions now", "", "   "]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0, 1))
def test_the_threshold_is_the_largest_that_accepts_enough(sure: list[float], delta: float) -> None:
    found = threshold(np.array(sure), delta)
    accepted = sum(s >= found for s in sure) / len(sure)
    assert accepted >= 1 - delta - 1e-6
    above = [s for s in sure if s > found]
    if above:
        assert sum(s >= min(above) for s in sure) / len(sure) < 1 - delta + 1e-6


@pytest.mark.parametrize("layer", [0, 32])
def test_what_is_foreign_is_less_like_any_domain(layer: int) -> None:
    found, theta = fit_guard(TEXTS, DOMAIN, 2, layer, .05)
    known = likeness(found, TEXTS)
    assert (known.argmax(axis=1) == DOMAIN).mean() > .9 and (known.max(axis=1) >= theta).mean() > .9
    assert not likeness(found, ["", "  "]).any(), "no word is no domain"
    if not layer:
        assert (likeness(found, FOREIGN).max(axis=1) < theta).all()


def test_gradients_are_those_of_autograd() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, label = rng.standard_normal((5, 4)), np.eye(3)[[0, 1, 2, 0, 1]]
    w = {"in": rng.standard_normal((4, 6)), "in_bias": rng.standard_normal(6), "out": rng.standard_normal((6, 3)),
         "out_bias": rng.standard_normal(3)}
    loss, grad = wide_slope(w, x, label)
    t = {k: torch.tensor(v, requires_grad=True) for k, v in w.items()}
    z = torch.relu(torch.tensor(x) @ t["in"] + t["in_bias"]) @ t["out"] + t["out_bias"]
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(label), reduction="sum") / 5
    theirs.backward()
    assert loss == pytest.approx(theirs.item()) and all(np.allclose(grad[k], t[k].grad) for k in w)
