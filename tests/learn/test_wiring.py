"""The distribution over graphs: what is drawn, what rewards and words do to it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import ModelError
from consilience.learn.dags import Node, sinks
from consilience.learn.wiring import Sample, Trial, Wiring, advice, described, usual
from consilience.method import Cast, Scored
from consilience.types import Reply, Usage
from tests.members import Scripted


def chance(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 10**6))
def test_every_graph_keeps_the_budget_and_has_no_circle_and_one_sink(most: int, members: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wiring = Wiring(rng.normal(0, 3, most), rng.normal(0, 3, (most, most)), rng.normal(0, 3, most), rng.normal(0, 3, (most, members)))
    for sample in [wiring.draw(rng) for _ in range(5)] + usual(most, members):
        nodes = sample.nodes
        assert 1 <= len(nodes) == sample.size <= most and sinks(nodes) == [len(nodes) - 1]
        assert all(i < place for place, node in enumerate(nodes) for i in node.reads)
        assert all(0 <= node.member < members and (node.role == "fuse" or len(node.reads) <= 1) for node in nodes)


def test_the_usual_graphs() -> None:
    alone, chain, star = (sample.nodes for sample in usual(3, 2))
    assert [node.member for node in alone] == [0] and alone[0].reads == ()
    assert [(n.member, n.role, n.reads) for n in chain] == [(0, "assist", ()), (1, "assist", (0,)), (0, "assist", (1,))]
    assert star == (Node(0), Node(1), Node(0, "fuse", (0, 1)))
    assert described(star) == "1: A answers; 2: B answers; 3: A fuses 1, 2"


def test_reinforce_finds_the_good_edge_of_two_nodes() -> None:
    wiring, rng, usually = Wiring.start(2, [0.0]), np.random.default_rng(0), 0.5
    for _ in range(60):
        samples = [wiring.draw(rng) for _ in range(3)]
        rewards = [float(sample.edges[0, 1] and sample.size == 2) for sample in samples]
        wiring = wiring.learned(samples, [reward - usually for reward in rewards])
        usually = .9 * usually + .1 * sum(rewards) / 3
    assert chance(wiring.edges[0, 1]) > .9 and wiring.size[1] > wiring.size[0]


def test_a_step_of_reinforce_by_hand() -> None:
    start = Wiring.start(2, [0.0, 0.0])
    sample = Sample(1, np.array([[False, True], [False, False]]), np.array([True, False]), np.array([1, 0]))
    after = start.learned([sample], [1.0], rate=1.0)
    assert list(after.size) == [.5, -.5] and not after.edges.any(), "an edge to a node that is not there counts nothing"
    assert list(after.fuse) == [.5, 0] and after.model.tolist() == [[-.5, .5], [0, 0]]


def test_who_does_well_alone_is_likelier_at_first() -> None:
    rng, wiring = np.random.default_rng(0), Wiring.start(3, [.9, .1])
    picks = np.concatenate([wiring.draw(rng).model for _ in range(50)])
    assert (picks == 0).mean() > .8


@pytest.mark.parametrize(("text", "part", "place", "value"), [
    ("raise size 3", "size", 2, 1), ("I think: lower edge 1 -> 3.", "edges", (0, 2), -1), ("Raise role 2 assist", "fuse", 1, -1),
    ("lower role 2 assist", "fuse", 1, 1), ("raise model 2 B\nraise model 2 = b", "model", (1, 1), 2)])
def test_directions_in_words(text: str, part: str, place: tuple[int, ...], value: float) -> None:
    after = Wiring.start(3, [0.0, 0.0]).told(text)
    assert after is not None and getattr(after, part)[place] == value
    assert sum(np.abs(getattr(after, p)).sum() for p in ("size", "edges", "fuse", "model")) == abs(value)


@pytest.mark.parametrize("text", ["", "hm", "raise size 4", "raise size 0", "lower edge 3 1", "raise edge 1 9", "raise model 1 C",
                                  "raise role 9 fuse", "raise hopes"])
def test_directions_to_what_is_not_there_are_passed_over(text: str) -> None:
    assert Wiring.start(3, [0.0, 0.0]).told(text) is None


def test_tokens_beyond_the_limit_cost_score() -> None:
    row = [Scored(Reply("x", usage=Usage(1, 100, 50)), 1.0), Scored(None, 0.0)]
    assert Trial.of(row, 0) == Trial(.5, 75, .5) and Trial.of(row, 100).reward == .5
    assert Trial.of(row, 50).reward == pytest.approx(.45)


def test_the_searcher_reads_models_and_trials_and_may_fail() -> None:
    one, gone = Scripted("one", ["raise size 1"]), Scripted("gone", [ModelError("gone", reason="down")])
    members = (Scripted("a", []), Scripted("b", []))
    known = {usual(2, 2)[2].nodes: Trial(.25, 90, .25)}
    assert asyncio.run(advice(Cast(members, {"searcher": (one,)}, (.1, .7)), [1, 0], 2, known)) == "raise size 1"
    [prompt] = one.prompts
    assert "A) scripted b (alone: score 0.70)" in prompt and "- score 0.25, 90 tokens: 1: B answers; 2: A fuses 1" in prompt
    assert asyncio.run(advice(Cast(members, {"searcher": (gone,)}), [0, 1], 2, known)) == ""
