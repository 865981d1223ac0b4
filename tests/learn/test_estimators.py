"""Estimators as arrays agree with the libraries that fitted them, and stand what dev sets are like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from consilience.learn.estimators import (
    boosted,
    fit_boosted,
    fit_logistic,
    fit_mlp,
    fit_ridge,
    fit_svm,
    linear,
    logistic,
    mlp,
    svm,
)

RNG = np.random.default_rng(7)
X = RNG.standard_normal((160, 6)).astype(np.float32)
NEW = RNG.standard_normal((40, 6)).astype(np.float32)
CHANCE = 1 / (1 + np.exp(-2 * X[:, :3]))
RIGHT = (RNG.random((160, 3)) < CHANCE).astype(np.float64)
GRADED = CHANCE.astype(np.float64)

KINDS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], Any], Callable[[Any, np.ndarray], np.ndarray]]] = {
    "ridge": (fit_ridge, linear),
    "logistic": (lambda x, s: fit_logistic(x, s, 1.0), logistic),
    "svm": (lambda x, s: fit_svm(x, s, 1.0, 100), svm),
    "mlp": (lambda x, s: fit_mlp(x, s, (16, 8)), mlp),
    "boosted": (lambda x, s: fit_boosted(x, s, 10, 8, 0.2), boosted),
}


def test_ridge_is_scikit_learn() -> None:
    from sklearn.linear_model import RidgeCV
    theirs = RidgeCV(np.logspace(-2, 3, 25), alpha_per_target=True).fit(X.astype(float), GRADED)
    assert np.allclose(linear(fit_ridge(X, GRADED), NEW), theirs.predict(NEW.astype(float)), atol=1e-5)


def test_logistic_is_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression
    for m in range(3):
        theirs = LogisticRegression(C=0.7, max_iter=300, tol=1e-8).fit(X.astype(float), RIGHT[:, m])
        assert np.allclose(logistic(fit_logistic(X, RIGHT, 0.7), NEW)[:, m], theirs.predict_proba(NEW)[:, 1], atol=1e-5)


def test_the_machine_is_scikit_learn_below_its_curve() -> None:
    from sklearn.svm import SVC
    found = fit_svm(X, RIGHT, 1.0, 1000)
    odds = np.log(svm(found, NEW) / (1 - svm(found, NEW)))
    for m in range(3):
        theirs = SVC(C=1.0, gamma=1 / (6 * float(X.astype(float).var()))).fit(X.astype(float), RIGHT[:, m]).decision_function(NEW)
        slope, rise = np.polyfit(theirs, odds[:, m], 1)
        assert slope > 0 and np.allclose(slope * theirs + rise, odds[:, m], atol=1e-5)


def test_slopes_of_layers_are_those_of_the_error() -> None:
    from consilience.learn.estimators import _layer_slopes
    shapes = {"weights0": (6, 5), "weights1": (5, 4), "weights2": (4, 3), "bias0": 5, "bias1": 4, "bias2": 3}
    weights = {name: RNG.standard_normal(shape) for name, shape in shapes.items()}
    x, wanted = X[:9].astype(float), GRADED[:9]
    for name, slope in _layer_slopes(weights, x, wanted).items():
        for place in list(np.ndindex(slope.shape))[:6]:
            step = np.zeros_like(slope)
            step[place] = 1e-6
            high, low = (((mlp({**weights, name: weights[name] + s * step}, x) - wanted) ** 2).sum() / 9 for s in (1, -1))
            assert (high - low) / 2e-6 == pytest.approx(slope[place], rel=1e-4, abs=1e-6)


def test_layers_predict_as_scikit_learn_does() -> None:
    from sklearn.neural_network import MLPRegressor
    found = fit_mlp(X, GRADED, (16, 8))
    theirs = MLPRegressor(hidden_layer_sizes=(16, 8), max_iter=1).partial_fit(X, GRADED)
    theirs.coefs_, theirs.intercepts_ = ([found[f"{kind}{i}"] for i in range(3)] for kind in ("weights", "bias"))
    assert np.allclose(mlp(found, NEW), theirs.predict(NEW), atol=1e-5)


def test_layers_do_not_care_for_the_order_of_members() -> None:
    turned = fit_mlp(X, GRADED[:, [2, 0, 1]], (16, 8))
    assert np.allclose(mlp(turned, NEW), mlp(fit_mlp(X, GRADED, (16, 8)), NEW)[:, [2, 0, 1]], atol=1e-5)


def test_trees_are_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    import lightgbm
    kept: list[lightgbm.Booster] = []
    train = lightgbm.train
    monkeypatch.setattr(lightgbm, "train", lambda *given: kept.append(train(*given)) or kept[-1])
    found = fit_boosted(X, GRADED, 25, 8, 0.2)
    theirs = np.stack([booster.predict(NEW.astype(float)) for booster in kept], axis=1)
    assert np.allclose(boosted(found, NEW), theirs, atol=1e-5) and np.ptp(theirs) > 0.1


def test_one_question_is_judged_as_many_are() -> None:
    for fit, use in KINDS.values():
        found = fit(X, GRADED)
        assert np.allclose(np.concatenate([use(found, NEW[i:i + 1]) for i in range(8)]), use(found, NEW[:8]), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_learned_is(kind: str) -> None:
    fit, use = KINDS[kind]
    truth = 1 / (1 + np.exp(-2 * NEW[:, :3]))
    assert np.mean((use(fit(X, RIGHT), NEW) - truth) ** 2) < 0.7 * np.mean((RIGHT.mean(axis=0) - truth) ** 2)


@pytest.mark.parametrize("kind", KINDS)
def test_one_class_is_a_constant(kind: str) -> None:
    fit, use = KINDS[kind]
    scores = np.stack([np.ones(160), np.zeros(160), RIGHT[:, 0]], axis=1)
    found = use(fit(X, scores), NEW)
    assert np.ptp(found[:, :2], axis=0).max() < 0.02 and (found[:, 0] > 0.95).all() and (found[:, 1] < 0.05).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_few_questions_and_alike_ones_give_numbers(kind: str, n: int) -> None:
    fit, use = KINDS[kind]
    for x in (X[:n], np.tile(X[:1], (n, 1)), np.zeros((n, 6), np.float32)):
        assert np.isfinite(use(fit(x, RIGHT[:n]), NEW)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learned_are_numeric_arrays(kind: str) -> None:
    found = KINDS[kind][0](X, RIGHT)
    assert all(isinstance(a, np.ndarray) and a.dtype.kind in "fi" for a in found.values())
