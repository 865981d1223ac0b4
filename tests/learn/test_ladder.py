"""Plans of a cascade, tried on arrays."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.learn.ladder import CUTS, NEVER, Did, Ladder, Plan, above, cuts


def ladder(sure: list[list[float]], score: list[list[float]], cost: list[float], seconds: list[float] | None = None,
           read: list[list[bool]] | None = None) -> Ladder:
    """Members with the same score, cost and seconds whether they are tried or merely asked."""
    told, paid = np.array(sure, float), np.array(score, float)
    did = Did(paid, np.repeat(np.array(cost, float)[:, None], paid.shape[1], 1),
              np.repeat(np.array(seconds or [1.0] * len(cost))[:, None], paid.shape[1], 1))
    accept = tuple(np.stack([above(line, c) for c in cuts(line)]) for line in told)
    return Ladder(did, did, told, np.array(read, bool) if read else np.ones(paid.shape, bool), accept)


THREE = ladder([[.9, .2, .6, .1], [.8, .9, .3, .2], [1, 1, 1, 1]], [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], [1, 3, 9])


def test_thresholds_go_from_all_to_none() -> None:
    assert cuts(np.array([.4, .9, .4, 0, -1])) == [.4, .9, NEVER]
    assert len(cuts(np.linspace(.01, 1, 1000))) <= CUTS + 1
    assert list(above(np.array([-1, 0, .5, .6]), .5)) == [False, False, True, True]
    assert not above(np.array([0.0]), 0.0)[0], "no confidence is never enough"


def test_a_plan_stops_where_an_answer_is_taken_and_pays_for_all_that_was_asked() -> None:
    picks = [cut_at(0, .6), cut_at(1, .8)]
    score, cost, seconds = THREE.play((0, 1, 2), np.array([picks]))
    assert list(score[0]) == [1, 1, 0, 0] and list(cost[0]) == [1, 4, 1, 13] and list(seconds[0]) == [1, 2, 1, 3]
    score, cost, _ = THREE.play((2,), np.zeros((1, 0), int))
    assert list(score[0]) == [1, 1, 1, 0] and list(cost[0]) == [9] * 4


def test_the_share_of_questions_that_come_to_each_member() -> None:
    picks = (cut_at(0, .6), cut_at(1, .8))
    assert THREE.reach(Plan((0, 1, 2), picks)) == [1, .5, .25] and THREE.reach(Plan((2,))) == [1]


def cut_at(member: int, level: float) -> int:
    return cuts(THREE.sure[member]).index(level)


def test_the_surest_before_it_answers_where_a_last_answer_cannot_be_read() -> None:
    seen = ladder([[.3, -1], [.5, .5], [1, 1]], [[1, 1], [.5, .5], [0, 0]], [1, 1, 1], read=[[True] * 2, [True] * 2, [False] * 2])
    pick = np.array([[len(seen.accept[0]) - 1, len(seen.accept[1]) - 1]])
    assert list(seen.play((0, 1, 2), pick)[0][0]) == [.5, .5]
    assert list(seen.play((0, 2), pick[:, :1])[0][0]) == [1, 0], "where nobody else gave an answer, the last stands"


def test_unknown_costs_of_members_not_asked_do_not_spread() -> None:
    seen = ladder([[.9], [1]], [[1], [1]], [1, float("nan")])
    assert seen.play((0, 1), np.array([[0]]))[1][0, 0] == 1
    assert [p.order for p in seen.plans([(0, 1)])], "plans are found by calls instead"


def everything(seen: Ladder, orders: list[tuple[int, ...]]) -> list[tuple[float, float]]:
    """Mean score and cost of every possible plan."""
    plans = [Plan(order, picks) for order in orders for picks in product(*(range(len(seen.accept[m])) for m in order[:-1]))]
    trials = seen.trials(plans, np.zeros(seen.sure.shape[1]))
    return list(zip(trials.quality.mean(axis=1), trials.cost.mean(axis=1), strict=True))


levels = st.lists(st.sampled_from([0, .2, .5, .7, .9]), min_size=6, max_size=6)
rights = st.lists(st.sampled_from([0, 1]), min_size=6, max_size=6)


@given(st.lists(levels, min_size=3, max_size=3), st.lists(rights, min_size=3, max_size=3))
@settings(max_examples=25)
def test_no_plan_at_all_beats_those_found_for_small_ladders(sure: list[list[float]], score: list[list[float]]) -> None:
    """Two rungs: the front is exact. Three: nothing is both better and cheaper in score alone."""
    seen = ladder(sure, score, [1, 2, 5])
    for orders in ([(0, 2)], list(permutations(range(3), 2))):
        trials = seen.trials(seen.plans(orders), np.zeros(6))
        found = list(zip(trials.quality.mean(axis=1), trials.cost.mean(axis=1), strict=True))
        assert all(any(q >= s - 1e-9 and c <= d + 1e-9 for q, c in found) for s, d in everything(seen, orders))
    trials = seen.trials(seen.plans([(0, 1, 2)]), np.zeros(6))
    assert trials.quality.mean(axis=1).max() == pytest.approx(max(q for q, _ in everything(seen, [(0, 1, 2)])))


def test_the_front_rises_and_is_short() -> None:
    rng = np.random.default_rng(1)
    score = (rng.random((3, 500)) < np.array([[.5], [.7], [.9]])).astype(float)
    seen = ladder((.5 * score + .5 * rng.random((3, 500))).tolist(), score.tolist(), [1, 3, 10])
    trials = seen.trials(seen.plans([(0, 1, 2)]), score[2])
    quality, cost = trials.quality.mean(axis=1), trials.cost.mean(axis=1)
    assert (np.diff(quality) > 0).all() and (np.diff(cost) >= 0).all() and len(quality) <= 400
    assert quality.max() > score[2].mean(), "confidence that tells right from wrong beats the best member"


def test_slow_plans_are_left_out_as_long_as_some_keep_to_the_latency() -> None:
    seen = ladder([[.9, .1], [1, 1]], [[1, 0], [1, 1]], [1, 9], [1.0, 5.0])
    late = seen.trials(seen.plans([(0, 1), (0,), (1,)], 2.0), np.ones(2)).latency
    assert late.max() <= 2.0
    assert len(seen.plans([(0, 1), (1,)], .1)) >= 1, "where none keeps to it, the fastest are left"


def drawn(skills: list[float], n: int) -> Ladder:
    """Members of these skills, dearer and dearer, whose confidence tells right from wrong."""
    rng = np.random.default_rng(2)
    score = (rng.random((len(skills), n)) < np.array(skills)[:, None]).astype(float)
    return ladder((.6 * score + .4 * rng.random(score.shape)).tolist(), score.tolist(), [2.0 ** i for i in range(len(skills))])


@pytest.mark.parametrize(("skills", "n"), [([.4, .7], 2400), ([.3, .4, .5, .6, .7, .75], 80)])
def test_plans_of_large_ladders_reach_what_can_be_reached(skills: list[float], n: int) -> None:
    """More than 2,000 questions are searched on a sample of them; too many rungs for a grid pass on ever larger shares."""
    seen = drawn(skills, n)
    order = tuple(range(len(skills)))
    trials = seen.trials(seen.plans([order]), seen.asked.score[-1])
    quality, cost = trials.quality.mean(axis=1), trials.cost.mean(axis=1)
    assert trials.quality.shape[1] == n and cost.min() == 1.0 and quality[cost.argmin()] == seen.asked.score[0].mean()
    assert quality.max() >= seen.asked.score.max(axis=0).mean() - 1 / CUTS, "whoever is right is asked"
