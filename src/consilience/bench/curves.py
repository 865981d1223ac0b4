"""What a trade-off between cost and quality is worth: numpy only.

For two models, a weak and a strong one (RouteLLM, arXiv 2406.18665): `shares` is the part of questions sent to the strong
model, rising; `quality` the mean score there. For many (RouterBench, arXiv 2403.12031): points of mean cost and mean score.
"""

from __future__ import annotations

import math

import numpy as np

CUTS = 10
"""Thresholds of a router's score that RouteLLM measures at: its quantiles."""


def recovered(quality: np.ndarray, weak: float, strong: float) -> np.ndarray:
    """Performance gap recovered, (r - r(weak)) / (r(strong) - r(weak)); NaN where the two are equally good."""
    gap = strong - weak
    if abs(gap) < 1e-12:
        return np.full(np.shape(quality), math.nan)
    found: np.ndarray = (np.asarray(quality, dtype=float) - weak) / gap
    return found


def threshold_curve(preference: np.ndarray, weak: np.ndarray, strong: np.ndarray,
                    cuts: int = CUTS) -> tuple[np.ndarray, np.ndarray]:
    """Shares and quality of a router that calls the strong model where its `preference` for it reaches a threshold, from
    never to always: thresholds at `cuts` quantiles, as RouteLLM sets them. All arrays are [questions]."""
    levels = np.quantile(preference, np.linspace(0, 1, cuts + 1))
    calls = np.array([preference >= level for level in levels[:-1]] + [preference > levels[-1]])[::-1]
    return calls.mean(axis=1), np.where(calls, strong, weak).mean(axis=1)


def calls_for(target: float, shares: np.ndarray, quality: np.ndarray, weak: float, strong: float) -> float:
    """CPT: the least share of strong calls that recovers `target` (0 to 1) of the gap, by linear interpolation up to the
    first crossing; NaN where it is never reached or the gap is nil."""
    gained = recovered(quality, weak, strong)
    reached = np.flatnonzero(gained >= target - 1e-12)
    if not len(reached):
        return math.nan
    i = int(reached[0])
    if i == 0:
        return float(shares[0])
    part = (target - gained[i - 1]) / (gained[i] - gained[i - 1])
    return float(shares[i - 1] + part * (shares[i] - shares[i - 1]))


def mean_recovered(shares: np.ndarray, quality: np.ndarray, weak: float, strong: float) -> float:
    """APGR: the area under the performance gap recovered, over shares from 0 to 1 (trapezoid); a coin has 0.5."""
    return float(np.trapezoid(recovered(quality, weak, strong), shares))


def front(costs: np.ndarray, quality: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The non-decreasing convex hull of points, from the cheapest on: what mixing the settings by a coin reaches."""
    order = np.lexsort((-np.asarray(quality), costs))
    kept: list[tuple[float, float]] = []
    for x, y in zip(np.asarray(costs)[order], np.asarray(quality)[order], strict=True):
        if kept and y <= kept[-1][1]:
            continue
        while len(kept) > 1 and _bends_up(kept[-2], kept[-1], (x, y)):
            kept.pop()
        kept.append((float(x), float(y)))
    found = np.array(kept)
    return found[:, 0], found[:, 1]


def _bends_up(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether b lies on or below the line from a to c."""
    return bool((b[1] - a[1]) * (c[0] - a[0]) <= (c[1] - a[1]) * (b[0] - a[0]))


def mean_height(costs: np.ndarray, quality: np.ndarray, low: float, high: float) -> float:
    """AIQ: mean height of the front of these points between two costs; flat beyond its ends. At `low == high` the height
    there."""
    x, y = front(costs, quality)
    if high <= low:
        return float(np.interp(low, x, y))
    inside = x[(x > low) & (x < high)]
    grid = np.concatenate([[low], inside, [high]])
    return float(np.trapezoid(np.interp(grid, x, y), grid) / (high - low))


def mixture(costs: np.ndarray, quality: np.ndarray, cost: float) -> tuple[int, int, float]:
    """The best mixture of two points at this mean cost: their places and the share of the second. A cost outside the front
    gives its nearer end."""
    x, y = front(costs, quality)
    places = [int(np.flatnonzero((costs == a) & (quality == b))[0]) for a, b in zip(x, y, strict=True)]
    right = int(np.searchsorted(x, cost))
    if right == 0 or right == len(x):
        end = places[0] if right == 0 else places[-1]
        return end, end, 0.0
    return places[right - 1], places[right], float((cost - x[right - 1]) / (x[right] - x[right - 1]))
