"""The graph of questions and members: rewards, labels, masks, messages, gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.learn.gradient import Descent
from consilience.learn.graph import Graph, drawn, masks, rewards, trained, winners


def scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and scores."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((30, 6)), rng.random((30, 4))


def test_the_three_scenarios() -> None:
    perf, cost = np.array([[.8]]), np.array([[.5]])
    scenarios = [a * rewards(perf, cost, b / a)[0, 0] for a, b in ((1, 0), (.5, .5), (.2, .8))]
    assert scenarios == pytest.approx([.80, .15, -.24])


@settings(max_examples=30)
@given(st.integers(0, 999))
def test_one_edge_of_each_question_is_positive_and_the_masks_share_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reward = rng.integers(0, 2, (9, 4)).astype(float)
    label = winners(reward, reward.mean(axis=0), rng.random(4))
    assert (label.sum(axis=1) == 1).all() and (reward[label > 0] == reward.max(axis=1)).all()
    seen, hidden = masks(np.arange(int(rng.integers(1, 9)) + 1), 5, float(rng.random()), rng)
    assert len(seen) and len(hidden) and not set(seen) & set(hidden)


def test_ties_go_to_the_better_then_the_cheaper() -> None:
    same = np.ones((1, 3))
    assert winners(same, np.array([.1, .3, .3]), np.array([1., 2., 1.])).tolist() == [[0, 0, 1]]


def test_members_follow_their_columns() -> None:
    x, scores = scene()
    w, turn = drawn(6, 5, np.random.default_rng(1)), [2, 0, 3, 1]
    assert np.allclose(Graph.of(x, scores[:, turn]).passed(w).out, Graph.of(x, scores).passed(w).out[turn])


def test_a_new_member_needs_no_other_weights() -> None:
    """A copy of a known member is told what that member is told."""
    x, scores = scene()
    w = drawn(6, 5, np.random.default_rng(1))
    out = Graph.of(x, np.hstack([scores, scores[:, :1]])).passed(w).out
    assert out.shape == (5, 5) and np.allclose(out[0], out[4])


def test_gradients_are_those_of_autograd() -> None:
    torch = pytest.importorskip("torch")
    x, scores = scene()
    graph, label = Graph.of(x[:20], scores[:20]), winners(scores, scores.mean(axis=0), scores.mean(axis=0))[20:]
    w = drawn(6, 5, np.random.default_rng(1))
    loss, grad = graph.slope(w, x[20:], label)

    t = {k: torch.tensor(v, requires_grad=True) for k, v in w.items()}
    gain, seen, told = (torch.tensor(v) for v in (graph.gain, graph.x, graph.profiles))
    start, asked = told @ t["describe"], seen @ t["align"]
    question = torch.relu(asked @ t["ask_self"] + gain @ start @ t["ask_heard"])
    member = torch.relu(start @ t["own_self"] + told @ t["align"] @ t["own_met"])
    out = member @ t["keep"] + gain.T @ question / 20 @ t["take"]
    z = (torch.tensor(x[20:]) @ t["align"])[:, None, :] * out
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(z.mean(dim=2), torch.tensor(label))
    theirs.backward()
    assert loss == pytest.approx(theirs.item())
    assert all(np.allclose(grad[k], t[k].grad) for k in w)


def test_two_groups_each_won_by_one_member() -> None:
    rng = np.random.default_rng(0)
    place = rng.integers(2, size=120)
    x = np.eye(6)[place] + .1 * rng.standard_normal((120, 6))
    scores = np.eye(2)[place]
    w, lean = trained(x[:80], scores[:80], scores[:80], scores[:80], 8, .5, 64, Descent(100, .02))
    raw = x[80:] @ w["align"] @ Graph.of(x[:80], scores[:80]).passed(w).out.T
    assert ((lean.base + lean.slope * raw).argmax(axis=1) == place[80:]).mean() > .9


@pytest.mark.filterwarnings("error")
def test_one_question_is_no_error() -> None:
    x, scores = scene()
    w, lean = trained(x[:1], scores[:1], scores[:1], scores[:1], 4, .5, 8, Descent(3, .02))
    assert all(np.isfinite(v).all() for v in w.values()) and np.isfinite(lean.base).all()
