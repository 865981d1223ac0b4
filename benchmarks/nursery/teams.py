"""Teams of the four far specialists on the mixed task: oracle, router, confidence, votes, logits; and pairs of facts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from asking import Bench, Right, difference, mean_of, percent
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from consilience.nursery.answers import is_right, reading
from consilience.nursery.forms import render
from consilience.nursery.net import Combine
from consilience.nursery.tasks import CELLS
from consilience.nursery.words import OWNERS

FAR = tuple(OWNERS)
Cells = dict[str, Right]


def average(logits: Sequence[Tensor]) -> Tensor:
    """The mean of the members' logits."""
    return torch.stack(list(logits)).mean(0).log_softmax(-1)


def by_certainty(tau: float) -> Combine:
    """Log-probabilities weighted by softmax of minus the entropy over tau, token by token."""
    def combine(logits: Sequence[Tensor]) -> Tensor:
        logs = torch.stack([x.log_softmax(-1) for x in logits])
        entropy = -(logs.exp() * logs).sum(-1)
        return ((-entropy / tau).softmax(0)[..., None] * logs).sum(0).log_softmax(-1)
    return combine


def mixed(bench: Bench) -> dict[str, Any]:
    """Every team and every single member on the mixed task."""
    singles = {name: {cell: bench.said(name, cell).right for cell in CELLS} for name in ("base", *FAR, "generalist")}
    best = max(FAR, key=lambda name: mean_of(bench.score(name, CELLS, "dev")))
    teams: dict[str, Cells] = {
        "oracle": {cell: np.max([singles[name][cell] for name in FAR], axis=0) for cell in CELLS},
        "router fitted on dev": _routed(bench), "most confident member": _confident(bench), "majority vote": _voted(bench),
        "logit average": {cell: bench.together(FAR, cell, "test", average).right for cell in CELLS},
    }
    tau = max((0.03, 0.1, 0.3), key=lambda tau: np.mean([bench.together(FAR, c, "dev", by_certainty(tau)).right.mean() for c in CELLS]))
    teams["confidence-weighted logits"] = {cell: bench.together(FAR, cell, "test", by_certainty(tau)).right for cell in CELLS}
    rows = {**singles, **teams}
    return {
        "best single (by dev)": best, "tau": tau,
        "scores": {name: {"mixed": mean_of({c: percent(r) for c, r in cells.items()}), **{c: percent(r) for c, r in cells.items()}} for name, cells in rows.items()},
        "minus best single": {name: difference(cells, singles[best]) for name, cells in {**teams, "generalist": singles["generalist"]}.items()},
        "generalist minus router": difference(singles["generalist"], teams["router fitted on dev"]),
    }


def _routed(bench: Bench) -> Cells:
    questions = [problem.question for cell in CELLS for problem in bench.questions(cell, "dev")]
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]").fit(questions)
    features = words.transform(questions)
    chance = []
    for name in FAR:
        right = np.concatenate([bench.said(name, cell, "dev").right for cell in CELLS])
        model = LogisticRegression(C=10.0, max_iter=1000) if len(set(right)) == 2 else DummyClassifier(strategy="prior")
        chance.append(model.fit(features, right))
    routed = {}
    for cell in CELLS:
        asked = words.transform([problem.question for problem in bench.questions(cell, "test")])
        choice = np.argmax([model.predict_proba(asked)[:, -1] for model in chance], axis=0)
        routed[cell] = np.array([bench.said(FAR[member], cell).right[place] for place, member in enumerate(choice)])
    return routed


def _confident(bench: Bench) -> Cells:
    chosen = {}
    for cell in CELLS:
        said = [bench.said(name, cell) for name in FAR]
        best = np.argmax([[draft.confidence for draft in one.drafts] for one in said], axis=0)
        chosen[cell] = np.array([said[member].right[place] for place, member in enumerate(best)])
    return chosen


def vote(texts: Sequence[str], rng: random.Random) -> str:
    """The reading that most texts share; ties are drawn."""
    counts = Counter(reading(text) for text in texts)
    return rng.choice(sorted(text for text, count in counts.items() if count == max(counts.values())))


def _voted(bench: Bench) -> Cells:
    rng = random.Random(0)
    return {
        cell: np.array([
            float(is_right(problem, vote([bench.said(name, cell).texts[place] for name in FAR], rng)))
            for place, problem in enumerate(bench.questions(cell, "test"))
        ])
        for cell in CELLS
    }


def consistency(bench: Bench, draws: int = 9) -> dict[str, Any]:
    """One sample against a vote of several, on the skills worked in steps, by their specialists and at T = 1."""
    found: dict[str, Any] = {}
    for cell, name in (("arith", "harbor"), ("logic", "museum"), ("clock", "kitchen"), ("arith", "near_harbor"),
                       ("logic", "near_museum"), ("clock", "near_kitchen")):
        said = [bench.said(name, cell, "test", 1.0, draw) for draw in range(draws)]
        one = np.mean([s.right for s in said], axis=0)
        rng = random.Random(0)
        asked = bench.questions(cell, "test")
        voted = np.array([float(is_right(p, vote([s.texts[place] for s in said], rng))) for place, p in enumerate(asked)])
        found[f"{cell} by {name}"] = {"one sample": percent(one), f"vote of {draws}": percent(voted), **difference({cell: voted}, {cell: one})}
    return found


def pairs(bench: Bench) -> dict[str, Any]:
    """Questions that need facts of two owners: alone, and after the members have told each other what they know."""
    asked = bench.questions("pairs", "test")
    first = {name: bench.said(name, "pairs") for name in FAR}
    after: dict[str, list[str]] = {}
    for name in FAR:
        peers = [other for other in FAR if other != name]
        prompts = [
            render("refine", question=p.question, answer=first[name].texts[i], peers=[first[other].texts[i] for other in peers])
            for i, p in enumerate(asked)
        ]
        after[name] = bench.tell(name, prompts)
    rng = random.Random(0)
    voted = _right(asked, [vote([after[name][i] for name in FAR], rng) for i in range(len(asked))])
    fused = _right(asked, bench.tell("base", [
        render("fuse", question=p.question, candidates=[first[name].texts[i] for name in FAR]) for i, p in enumerate(asked)
    ]))
    singles = {name: said.right for name, said in first.items()}
    best = max(FAR, key=lambda name: bench.said(name, "pairs", "dev").right.mean())
    oracle = np.max(list(singles.values()), axis=0)
    return {
        "scores": {
            **{name: percent(right) for name, right in singles.items()}, "oracle": percent(oracle), "generalist": percent(bench.said("generalist", "pairs").right),
            **{f"{name} after one round": percent(_right(asked, texts)) for name, texts in after.items()},
            "vote after one round": percent(voted), "fused by the base": percent(fused),
        },
        "vote after one round minus best single": difference({"pairs": voted}, {"pairs": singles[best]}),
        "fused by the base minus best single": difference({"pairs": fused}, {"pairs": singles[best]}),
        "vote after one round minus oracle": difference({"pairs": voted}, {"pairs": oracle}),
    }


def _right(asked: Sequence[Any], texts: Sequence[str]) -> Right:
    return np.array([float(is_right(problem, text)) for problem, text in zip(asked, texts, strict=True)])
