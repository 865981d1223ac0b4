"""Particle swarm: the worked step, the toy objective; matrices as graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from consilience.learn.dags import sinks
from consilience.learn.swarm import PULLS, SLOWEST, Swarm, decode, velocity


def test_the_worked_step() -> None:
    v = velocity(np.zeros(1), np.ones(1), np.ones(1), np.full(1, 2.0), np.full(1, -1.0), PULLS)
    assert v == pytest.approx([1.42105], abs=1e-5) and .5 * v == pytest.approx([.71053], abs=1e-5)


def test_the_toy_objective_is_never_worse_and_nearly_always_better() -> None:
    better = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        swarm, peaks = Swarm.start(5, (1,), rng), []
        for _ in range(21):
            swarm = swarm.seen([-(float(x[0]) - .5) ** 2 for x in swarm.x])
            peaks.append(swarm.peak)
            assert -(float(swarm.best[0]) - .5) ** 2 == pytest.approx(swarm.peak)
            swarm = swarm.moved(rng)
        assert peaks == sorted(peaks) and swarm.step >= SLOWEST
        better += peaks[-1] > peaks[0]
    assert better >= 90


def test_among_equals_the_older_best_stays_and_places_are_copies() -> None:
    rng = np.random.default_rng(0)
    swarm = Swarm.start(2, (1,), rng).seen([1.0, 1.0])
    first, own = swarm.best.copy(), swarm.own.copy()
    later = swarm.moved(rng).seen([1.0, 1.0])
    assert later.best == first and (later.own == own).all() and later.still == 1 and list(later.stale) == [1, 1]
    assert (swarm.own == own).all()


def test_a_tired_particle_goes_on_from_its_best() -> None:
    rng = np.random.default_rng(0)
    swarm = Swarm.start(2, (3,), rng).seen([1.0, 2.0])
    for _ in range(3):
        swarm = swarm.moved(rng).seen([0.0, 0.0])
    moved = swarm.moved(rng)
    assert (np.abs(moved.x - swarm.own) <= swarm.step).all() and list(moved.stale) == [0, 0]


@given(st.integers(1, 6).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.floats(-1, 1))))
def test_a_decoded_graph_is_a_tree_to_one_sink(x: np.ndarray) -> None:
    before, n = x.copy(), len(x)
    nodes = decode(x)
    assert (x == before).all() and nodes == decode(x)
    assert sorted(node.member for node in nodes) == list(range(n)) and sinks(nodes) == [n - 1]
    assert sum(len(node.reads) for node in nodes) == n - 1
    assert all(i < place for place, node in enumerate(nodes) for i in node.reads), "in topological order, so without circles"
    reached = {n - 1}
    for place in range(n - 1, -1, -1):
        reached |= set(nodes[place].reads) if place in reached else set()
    assert reached == set(range(n))


def test_a_decoded_graph_by_hand() -> None:
    matrix = np.array([[9, .1, .1], [.5, 9, .4], [.6, .7, 9]])     # out-degrees .2, .9, 1.3
    nodes = decode(matrix)
    assert [node.member for node in nodes] == [1, 2, 0] and nodes[2].reads == (0, 1)
