"""Statistics against worked examples and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from consilience.bench import statistics as s


def test_wilson_and_standard_errors_of_the_worked_examples() -> None:
    interval = s.wilson(80, 100)
    assert (interval.low, interval.high) == pytest.approx((0.7112, 0.8666), abs=5e-5)
    scores = np.array([1.0] * 80 + [0.0] * 20)
    assert s.standard_error(scores) == pytest.approx(0.0402, abs=5e-5)
    six = np.array([1.0, 1, 0, 1, 0, 0])
    assert s.standard_error(six, ["a"] * 3 + ["b"] * 3) == pytest.approx(0.1179, abs=5e-5)
    assert s.standard_error(six) == pytest.approx(0.2236, abs=5e-5)
    single = s.standard_error(six, list("abcdef"))
    assert single == pytest.approx(np.sqrt(((six - 0.5) ** 2).sum()) / 6)


@given(st.integers(1, 300), st.data())
def test_wilson_agrees_with_scipy(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
    ours = s.wilson(k, n)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_mcnemar_of_the_worked_example_and_of_scipy() -> None:
    assert s.sign_test(10, 3) == pytest.approx(0.0923, abs=5e-5)
    assert s.sign_test(3, 10) == s.sign_test(10, 3)
    assert s.sign_test(0, 0) == 1.0
    for wins, losses in [(1, 0), (7, 7), (40, 12), (300, 251)]:
        assert s.sign_test(wins, losses) == pytest.approx(stats.binomtest(wins, wins + losses).pvalue, rel=1e-9)
    a, b = np.array([1.0, 1, 1, 0, 0]), np.array([0.0, 0, 1, 1, 0])
    assert s.mcnemar(a, b) == s.sign_test(2, 1)


def test_sign_flips_agree_with_scipy_and_hold_their_level() -> None:
    rng = np.random.default_rng(1)
    few = rng.normal(0.4, 1, 9)
    theirs = stats.permutation_test((few,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert s.flips(few) == pytest.approx(theirs)
    nulls = [s.flips(rng.normal(0, 1, 20), resamples=499, seed=i) for i in range(300)]
    assert stats.kstest(nulls, "uniform").pvalue > 0.01
    assert s.flips(np.zeros(5)) == 1.0


def test_holm_of_the_worked_example() -> None:
    assert s.holm([0.01, 0.02, 0.04]) == pytest.approx([0.03, 0.04, 0.04])
    assert s.holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert s.holm([0.2]) == [0.2] and s.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_monotone_and_never_below_p(values: list[float]) -> None:
    adjusted = s.holm(values)
    assert all(a >= p for a, p in zip(adjusted, values, strict=True))
    order = np.argsort(values, kind="stable")
    assert list(np.array(adjusted)[order]) == sorted(adjusted)


def test_bootstrap_covers() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for i in range(600):
        sample = (rng.random(100) < 0.7).astype(float)
        interval = s.percentiles(s.resampled_means(sample, resamples=1000, seed=i))
        hits += interval.low <= 0.7 <= interval.high
    assert 0.92 <= hits / 600 <= 0.98


def test_counts_and_questions_resample_alike() -> None:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 3, 400) / 2
    fine = coarse + rng.random(400) * 1e-9
    a, b = s.percentiles(s.resampled_means(coarse)), s.percentiles(s.resampled_means(fine))
    assert (a.low, a.high) == pytest.approx((b.low, b.high), abs=0.006)
    theirs = stats.bootstrap((coarse,), np.mean, method="percentile", n_resamples=5000, rng=1).confidence_interval
    assert (a.low, a.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


@pytest.mark.parametrize("jitter", [0.0, 1e-9])
def test_bootstrap_of_clusters_is_wider_when_clusters_agree(jitter: float) -> None:
    scores = np.repeat([1.0, 0.0] * 40, 10) + jitter * np.arange(800)
    labels = [str(i // 10) for i in range(800)]
    wide = s.percentiles(s.resampled_means(scores, labels, resamples=2000))
    narrow = s.percentiles(s.resampled_means(scores, resamples=2000))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert s.shared_source(["", ""]) is None and s.shared_source(["a", "b"]) is None
    assert s.shared_source(["a", "a", ""]) is not None


def test_a_question_without_a_source_is_one_of_its_own() -> None:
    assert s.shared_source(["a", "", "", "b"]) is None
    labels = s.shared_source(["a", "a", *[""] * 40])
    scores = np.array([1.0, 1.0, *[1.0, 0.0] * 20])
    assert labels is not None and len(set(labels)) == 41
    assert s.standard_error(scores, labels) == pytest.approx(s.standard_error(scores), rel=0.1)


@pytest.mark.parametrize(("scores", "clusters", "units"), [
    ([0.5], None, 1), ([0.5] * 9, None, 9), ([1.0], None, 1), ([1.0] * 12, list("aaabbbcccddd"), 4), ([0.0] * 4, list("aabb"), 2)])
def test_no_spread_is_no_certainty(scores: list[float], clusters: list[str] | None, units: int) -> None:
    found = s.interval_of_mean(np.array(scores), clusters)
    assert (found.low, found.high) == (s.wilson(scores[0] * units, units).low, s.wilson(scores[0] * units, units).high)
    assert found.high - found.low > 0.2


@pytest.mark.parametrize("n", range(1, 12))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_handful_that_differs_alike_proves_nothing(n: int, sign: float) -> None:
    differences = np.full(n, sign)
    found = s.interval_of_difference(differences)
    assert found.low <= sign <= found.high and found.low < found.high
    if s.mcnemar((differences > 0) * 1.0, (differences < 0) * 1.0) > 0.2:
        assert found.holds_zero
    assert s.interval_of_difference(np.zeros(n)) == s.Interval(0.0, 0.0)


def test_intervals_of_differences_are_the_bootstraps_where_there_is_spread() -> None:
    differences = np.random.default_rng(1).integers(-1, 2, 80) * 1.0
    assert s.interval_of_difference(differences) == s.percentiles(s.resampled_means(differences))


def test_oracle_headroom_and_emergence_of_the_worked_example() -> None:
    members = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 1, 0, 0, 0]], float)
    room = s.headroom(members)
    assert (room.oracle, room.best, room.gap) == pytest.approx((0.6, 0.4, 0.2))
    assert room.captured(0.5) == pytest.approx(0.5)
    found = s.emergence(members, np.array([1.0, 1, 0, 1, 0]))
    assert (found.unsolved, found.solved, found.share, found.lost) == (2, 1, 0.5, 1)
    assert np.isnan(s.headroom(np.ones((2, 3))).captured(1.0))
    assert np.isnan(s.emergence(np.ones((2, 3)), np.ones(3)).share)


def test_pareto_front_of_the_worked_example() -> None:
    assert s.pareto([1, 2, 3, 4], [0.5, 0.6, 0.55, 0.7]) == [0, 1, 3]
    assert s.pareto([1, 1], [0.5, 0.5]) == [0, 1], "equal points are both kept"
    assert s.pareto([1, 1], [0.5, 0.6]) == [1]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=30))
def test_nothing_off_the_front_beats_it(points: list[tuple[float, float]]) -> None:
    costs, scores = [c for c, _ in points], [q for _, q in points]
    front = s.pareto(costs, scores)
    for i in range(len(points)):
        assert any(costs[j] <= costs[i] and scores[j] >= scores[i] for j in front)


def test_disagreement_of_the_worked_example() -> None:
    a = np.array([1.0] * 65 + [0.0] * 35)
    b = np.array([1.0] * 50 + [0.0] * 15 + [1.0] * 15 + [0.0] * 20)
    assert s.disagreement(np.stack([a, b])) == pytest.approx(0.3)
