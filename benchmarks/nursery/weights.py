"""Weights put together: the soup, and merges of near members, with every choice made on dev."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from asking import Bench, Right, difference, mean_of, percent

from consilience.nursery.net import Params
from consilience.nursery.tasks import DRAW
from consilience.nursery.words import OWNERS

SKILLS = tuple(DRAW)
SCALES = (0.5, 0.6, 0.7, 0.8, 1.0)


def soup(bench: Bench) -> dict[str, Any]:
    """The uniform mean of the ingredients against each, on the four skills."""
    names = ("soup_a", "soup_b", "soup_c")
    parts = [bench.member(name).params for name in names]
    bench.add("soup", {key: sum(p[key] for p in parts) / len(parts) for key in parts[0]})
    best = max(names, key=lambda name: mean_of(bench.score(name, SKILLS, "dev")))
    cells = {name: {cell: bench.said(name, cell).right for cell in SKILLS} for name in (*names, "soup")}
    top = max(names, key=lambda name: np.mean([r.mean() for r in cells[name].values()]))
    return {
        "scores": {name: {"skills": mean_of(bench.score(name, SKILLS)), **bench.score(name, SKILLS)} for name in (*names, "soup", "base")},
        "best ingredient (by dev)": best, "soup minus best ingredient": difference(cells["soup"], cells[best]),
        "soup minus best ingredient by test": difference(cells["soup"], cells[top]),
    }


Merge = Callable[[Params, Sequence[Params], float], Params]


def arithmetic(base: Params, parents: Sequence[Params], scale: float) -> Params:
    """Base plus scaled sum of the updates; with scale 1 / parents it is the mean."""
    return {key: p + scale * sum(parent[key] - p for parent in parents) for key, p in base.items()}


def ties(base: Params, parents: Sequence[Params], scale: float, density: float = 0.5) -> Params:
    """TIES: trim each update to its largest entries, elect signs by mass, average what agrees, scale by the parents."""
    merged = {}
    for key, p in base.items():
        updates = torch.stack([parent[key] - p for parent in parents])
        flat = updates.abs().flatten(1)
        cut = flat.kthvalue(max(1, int((1 - density) * flat.shape[1])), dim=1).values
        kept = torch.where(updates.abs() > cut.view(-1, *[1] * p.dim()), updates, 0.0)
        agree = torch.where(kept.sign() == kept.sum(0).sign(), kept, 0.0)
        count = (agree != 0).sum(0).clamp(min=1)
        merged[key] = p + scale * len(parents) * agree.sum(0) / count
    return merged


METHODS: dict[str, tuple[Merge, Sequence[float]]] = {
    "linear": (arithmetic, ()), "task arithmetic": (arithmetic, SCALES), "TIES": (ties, (0.5, 0.7, 1.0)),
}


def cells_of(owners: Sequence[str]) -> list[str]:
    """The facts and skills of owners."""
    return [cell for owner in owners for cell in (f"facts/{owner}", OWNERS[owner].skill)]


def merges(bench: Bench) -> dict[str, Any]:
    """Every pair of near members, and all four, by three methods."""
    base = bench.member("base").params
    groups = [*combinations(OWNERS, 2), tuple(OWNERS)]
    found = {"+".join(owners): _merge(bench, base, owners) for owners in groups}
    pairs = {name: row for name, row in found.items() if name.count("+") == 1}
    chosen = max(pairs, key=lambda name: pairs[name]["dev gain"])
    return {
        "updates": {owner: _share(base, bench.member(f"near_{owner}").params) for owner in OWNERS},
        "groups": found, "pair chosen on dev": chosen,
    }


def _share(base: Params, child: Params) -> float:
    names = [key for key in base if "_proj.weight" in key]
    top = sum(float((child[key] - base[key]).square().sum()) for key in names)
    return round((top / sum(float(base[key].square().sum()) for key in names)) ** 0.5, 3)


def _merge(bench: Bench, base: Params, owners: Sequence[str]) -> dict[str, Any]:
    cells, names = cells_of(owners), [f"near_{owner}" for owner in owners]
    parents = [bench.member(name).params for name in names]
    better = max(names, key=lambda name: mean_of(bench.score(name, cells, "dev")))
    parent = {cell: bench.said(better, cell).right for cell in cells}
    row: dict[str, Any] = {"better parent": better, "parent": mean_of({c: percent(r) for c, r in parent.items()}), "methods": {}}
    gains: dict[str, float] = {}
    for method, (merge, scales) in METHODS.items():
        tried = {}
        for scale in scales or (1 / len(owners),):
            key = f"{'+'.join(owners)} {method} {scale:.2f}"
            bench.add(key, merge(base, parents, scale))
            tried[scale] = (mean_of(bench.score(key, cells, "dev")), key)
        scale = max(tried, key=lambda s: tried[s][0])
        gains[method], key = tried[scale]
        child: dict[str, Right] = {cell: bench.said(key, cell).right for cell in cells}
        row["methods"][method] = {"scale": round(scale, 2), "dev": gains[method], "score": mean_of({c: percent(r) for c, r in child.items()}),
                                  "cells": {c: percent(r) for c, r in child.items()}, **difference(child, parent)}
    row["method chosen on dev"] = max(gains, key=lambda method: gains[method])
    row["dev gain"] = round(max(gains.values()) - mean_of(bench.score(better, cells, "dev")), 1)
    return row
