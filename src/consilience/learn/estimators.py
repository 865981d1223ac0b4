"""Estimators as arrays: fitted by scikit-learn, LightGBM or gradients, used with numpy alone, and saved without pickle.

Each `fit_*` learns what every member scores (`scores`, float [questions, members], 0 to 1) on questions with vectors `x`
[questions, width] and returns numeric arrays; the function named beside it predicts from them: [questions, members]. A
member that was always right or never (one class) is predicted by a constant.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

from consilience.errors import MissingExtraError
from consilience.learn.gradient import Descent, Weights

if TYPE_CHECKING:
    import numpy as np

Arrays: TypeAlias = "Mapping[str, np.ndarray]"

FEW = 100
"""Questions from which a tenth is held out to stop training early."""
RIDGES = 25
"""Penalties that ridge regression tries, from 0.01 to 1,000."""
PLATT = 3
"""Parts of the questions from which a support vector machine's decisions become probabilities."""
CHUNK = 1 << 22
"""Tree nodes that are looked at together, about."""


# -- linear ------------------------------------------------------------------------------------------------------------


def fit_ridge(x: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Least squares with the penalty, per member, of the lowest leave-one-out error; for `linear`."""
    import numpy as np

    if len(x) < 3:
        return _line(np.zeros((scores.shape[1], x.shape[1])), scores.mean(axis=0))
    machine = _sklearn("linear_model").RidgeCV(np.logspace(-2, 3, RIDGES), alpha_per_target=True)
    found = machine.fit(x.astype(np.float64), scores)
    return _line(np.reshape(found.coef_, (scores.shape[1], x.shape[1])), np.reshape(found.intercept_, -1))


def fit_logistic(x: np.ndarray, scores: np.ndarray, c: float) -> dict[str, np.ndarray]:
    """Logistic regression per member with inverse penalty `c`; a score between 0 and 1 counts as that share of a right
    answer. For `logistic`."""
    import numpy as np

    def one(column: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights and intercept of one member; of one that was always or never right, the intercept alone."""
        rows, right, weight = _shares(column)
        if right.all() or not right.any():
            return np.zeros(x.shape[1]), _log_odds(column)
        found = linear_model.LogisticRegression(C=c, max_iter=300, tol=1e-8).fit(wide[rows], right, weight)
        return found.coef_[0], float(found.intercept_[0])

    linear_model, wide = _sklearn("linear_model"), x.astype(np.float64)
    lines = _each(one, scores)
    return _line(np.stack([w for w, _ in lines]), np.array([b for _, b in lines]))


def linear(found: Arrays, x: np.ndarray) -> np.ndarray:
    """x W' + b."""
    out: np.ndarray = x @ found["weights"].T + found["bias"]
    return out


def logistic(found: Arrays, x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-(x W' + b)))."""
    return sigmoid(linear(found, x))


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)), without overflow."""
    import numpy as np

    out: np.ndarray = 0.5 * (1 + np.tanh(0.5 * z))
    return out


def _line(weights: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    return {"weights": weights.astype("float64"), "bias": bias.astype("float64")}


# -- support vectors -----------------------------------------------------------------------------------------------------


def fit_svm(x: np.ndarray, scores: np.ndarray, c: float, most: int) -> dict[str, np.ndarray]:
    """Support vector machine per member (RBF kernel, gamma 1 / (width * variance)) on `most` questions at most; its
    decisions become probabilities by Platt's logistic curve over held-out parts. For `svm`."""
    import numpy as np

    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(len(x))[:most])
    known, part = x[rows].astype(np.float64), rng.permutation(len(rows)) % PLATT
    gamma = 1 / (x.shape[1] * float(known.var()) or 1.0)
    kernel = _rbf(known, known, gamma)

    def one(column: np.ndarray) -> tuple[np.ndarray, float]:
        """Dual coefficients and intercept of one member, on the scale of log-odds."""
        unseen = np.zeros(len(column))
        for place in range(PLATT):
            here, there = np.flatnonzero(part != place), np.flatnonzero(part == place)
            dual, bias = _machine(kernel[np.ix_(here, here)], column[here], c)
            unseen[there] = kernel[np.ix_(there, here)] @ dual + bias
        curve = fit_logistic(unseen[:, None], column[:, None], 1.0)
        slope, rise = float(curve["weights"][0, 0]), float(curve["bias"][0])
        if slope <= 0:  # what was held out speaks against it
            return np.zeros(len(column)), _log_odds(column)
        dual, bias = _machine(kernel, column, c)
        return slope * dual, slope * bias + rise

    machines = _each(one, scores[rows])
    dual = np.stack([d for d, _ in machines], axis=1)
    used = dual.any(axis=1)
    return {"known": known[used].astype(np.float32), "dual": dual[used], "bias": np.array([b for _, b in machines]),
            "gamma": np.array([gamma])}


def svm(found: Arrays, x: np.ndarray) -> np.ndarray:
    """Probabilities from the support vectors."""
    kernel = _rbf(x, found["known"], float(found["gamma"][0]))
    return sigmoid(kernel @ found["dual"] + found["bias"])


def _machine(kernel: np.ndarray, column: np.ndarray, c: float) -> tuple[np.ndarray, float]:
    """Dual coefficients [questions] and intercept of a machine that tells right from wrong; zeros for one class."""
    import numpy as np

    rows, right, weight = _shares(column)
    dual = np.zeros(len(column))
    if right.all() or not right.any():
        return dual, 0.0
    found = _sklearn("svm").SVC(C=c, kernel="precomputed").fit(kernel[np.ix_(rows, rows)], right, weight)
    np.add.at(dual, rows[found.support_], found.dual_coef_[0])
    return dual, float(found.intercept_[0])


def _rbf(x: np.ndarray, known: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma |x - known|^2), [questions, known]."""
    import numpy as np

    apart = (x ** 2).sum(axis=1)[:, None] + (known ** 2).sum(axis=1) - 2 * (x @ known.T)
    out: np.ndarray = np.exp(-gamma * np.maximum(apart, 0))
    return out


# -- layers ------------------------------------------------------------------------------------------------------------


def fit_mlp(x: np.ndarray, scores: np.ndarray, layers: Sequence[int] = (128, 64), steps: int = 400,
            decay: float = 6.0) -> dict[str, np.ndarray]:
    """A network with ReLU layers that predicts all members at once by least squares, in steps of 200 questions; for `mlp`.

    It starts at the members' mean scores, and leaves them only as far as questions that it is not trained on bear it out
    (a tenth, from 100 questions on). The order of members means nothing.
    """
    import numpy as np

    rng, last = np.random.default_rng(42), len(layers)
    scale, middle = float(np.sqrt((x ** 2).mean())) or 1.0, scores.mean(axis=0)
    known, wanted = x / scale, scores - middle
    start = {f"bias{i}": np.zeros(width) for i, width in enumerate((*layers, len(middle)))}
    for i, (above, width) in enumerate(zip((x.shape[1], *layers), (*layers, len(middle)), strict=True)):
        start[f"weights{i}"] = np.zeros((above, width)) if i == last else rng.standard_normal((above, width)) * math.sqrt(2 / above)
    seen, held = held_out(len(x), rng)

    def slope(weights: Weights, step: int) -> Weights:
        """Gradient on a random batch."""
        rows = rng.choice(seen, min(200, len(seen)), replace=False)
        return _layer_slopes(weights, known[rows], wanted[rows])

    best = Descent(steps, 1e-3, decay, 10).down(start, slope, lambda w: -float(((mlp(w, known[held]) - wanted[held]) ** 2).mean()))
    done = {**best, "weights0": best["weights0"] / scale, f"bias{last}": best[f"bias{last}"] + middle}
    return {name: array.astype(np.float32) for name, array in done.items()}


def mlp(found: Arrays, x: np.ndarray) -> np.ndarray:
    """The network's predictions."""
    *_, top = _layer_outputs(found, x)
    return top


def _layer_outputs(weights: Arrays, x: np.ndarray) -> list[np.ndarray]:
    """The input, and what each layer makes of it."""
    import numpy as np

    out, last = [x], sum(name.startswith("weights") for name in weights) - 1
    for i in range(last + 1):
        z = out[-1] @ weights[f"weights{i}"] + weights[f"bias{i}"]
        out.append(z if i == last else np.maximum(z, 0))
    return out


def _layer_slopes(weights: Weights, x: np.ndarray, wanted: np.ndarray) -> Weights:
    """Gradients of the squared error, summed over members and averaged over questions."""
    *below, top = _layer_outputs(weights, x)
    back, slopes = 2 * (top - wanted) / len(x), {}
    for i in range(len(below) - 1, -1, -1):
        slopes |= {f"weights{i}": below[i].T @ back, f"bias{i}": back.sum(axis=0)}
        back = (back @ weights[f"weights{i}"].T) * (below[i] > 0)
    return slopes


def held_out(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on, and those that say when to stop: a tenth from 100 on, else the same."""
    order = rng.permutation(count)
    return (order[count // 10:], order[:count // 10]) if count >= FEW else (order, order)


# -- trees -------------------------------------------------------------------------------------------------------------


def fit_boosted(x: np.ndarray, scores: np.ndarray, trees: int, leaves: int, rate: float) -> dict[str, np.ndarray]:
    """Gradient-boosted regression trees per member (LightGBM); for `boosted`."""
    import numpy as np

    try:
        import lightgbm
    except (ImportError, OSError):  # OSError: its library for threads is not on this machine
        raise MissingExtraError("route", "the boosted router") from None
    told = {"objective": "regression", "num_leaves": leaves, "learning_rate": rate, "feature_fraction": 0.5, "lambda_l2": 1.0,
            "max_bin": 63, "num_threads": 1, "deterministic": True, "force_col_wise": True, "seed": 0, "verbosity": -1}
    forest: list[list[dict[str, Any]]] = []
    data = lightgbm.Dataset(x.astype(np.float64), scores[:, 0], params=told, free_raw_data=False)
    for column in scores.T:
        if len(column) < 2 or np.ptp(column) == 0:
            forest.append([{"leaf_value": float(column.mean())}])
            continue
        dumped = lightgbm.train(told, data.construct().set_label(column), trees).dump_model()
        forest.append([tree["tree_structure"] for tree in dumped["tree_info"]])
    return _trees(forest)


def boosted(found: Arrays, x: np.ndarray) -> np.ndarray:
    """Sums of the leaves that questions come to: all trees are walked at once, a level at a time."""
    import numpy as np

    feature, threshold, child, value = (found[k] for k in ("feature", "threshold", "child", "value"))
    members, trees, nodes = value.shape
    first = np.arange(members * trees) * nodes
    flat_feature, flat_threshold, flat_child = feature.ravel(), threshold.ravel(), child.reshape(-1, 2)
    out = np.zeros((len(x), members))
    step = max(1, CHUNK // (members * trees))
    for start in range(0, len(x), step):
        part = x[start:start + step]
        rows, at = np.arange(len(part))[:, None], np.broadcast_to(first, (len(part), len(first)))
        for _ in range(int(found["depth"][0])):
            right = (part[rows, flat_feature[at]] > flat_threshold[at]).astype(np.intp)
            at = first + flat_child[at, right]
        out[start:start + step] = value.ravel()[at].reshape(len(part), members, trees).sum(axis=2)
    return out


def _trees(forest: list[list[dict[str, Any]]]) -> dict[str, np.ndarray]:
    """LightGBM's nested nodes as arrays [members, trees, nodes]; a leaf is its own child, so that walking on stays there."""
    import numpy as np

    walked = [[_walk(tree) for tree in trees] for trees in forest]
    shape = (len(forest), max(len(trees) for trees in walked), max(len(tree) for trees in walked for tree in trees))
    feature, threshold, value = np.zeros(shape, np.int32), np.zeros(shape), np.zeros(shape)
    child, depth = np.zeros((*shape, 2), np.int32), 0
    for m, trees in enumerate(walked):
        for t, tree in enumerate(trees):
            for n, (level, node, left, right) in enumerate(tree):
                depth, child[m, t, n] = max(depth, level), (left, right)
                if "leaf_value" in node:
                    value[m, t, n] = node["leaf_value"]
                else:
                    feature[m, t, n], threshold[m, t, n] = node["split_feature"], node["threshold"]
    return {"feature": feature, "threshold": threshold, "child": child, "value": value, "depth": np.array([depth])}


def _walk(tree: dict[str, Any]) -> list[tuple[int, dict[str, Any], int, int]]:
    """Nodes of a tree: level, node, places of its left and right child (its own for a leaf)."""
    out: list[tuple[int, dict[str, Any], int, int]] = []

    def add(node: dict[str, Any], level: int) -> int:
        """Put a node and what hangs on it into the list; its place there."""
        place = len(out)
        out.append((level, node, place, place))
        if "leaf_value" not in node:
            out[place] = (level, node, add(node["left_child"], level + 1), add(node["right_child"], level + 1))
        return place

    add(tree, 0)
    return out


# -- shared ------------------------------------------------------------------------------------------------------------


def _sklearn(part: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"sklearn.{part}")
    except ImportError:
        raise MissingExtraError("route", "fitting this router") from None


def _shares(column: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, classes and weights that stand for scores: a score of 0.7 is a right answer of weight 0.7 and a wrong one of
    weight 0.3."""
    import numpy as np

    column = np.clip(column, 0, 1)
    won, lost = np.flatnonzero(column > 0), np.flatnonzero(column < 1)
    return (np.concatenate([won, lost]), np.repeat([True, False], [len(won), len(lost)]),
            np.concatenate([column[won], 1 - column[lost]]))


def _log_odds(column: np.ndarray) -> float:
    """Log-odds of the mean score, with half a right and half a wrong answer more than were seen."""
    share = (float(column.clip(0, 1).sum()) + 0.5) / (len(column) + 1)
    return math.log(share / (1 - share))


def _each(one: Callable[[np.ndarray], Any], scores: np.ndarray) -> list[Any]:
    """`one` of each member's column, on all cores: the libraries release Python's lock."""
    with ThreadPoolExecutor(max(1, min(scores.shape[1], os.cpu_count() or 1))) as pool:
        return list(pool.map(one, scores.T.copy()))
