"""The plots, as figures for plotly.js; the library itself is embedded, so the page asks for nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from consilience.bench.leaderboard import Standing
from consilience.bench.plan import ORACLE
from consilience.bench.statistics import pareto

_MARKS = {"member": "circle-open", "control": "diamond-open", "method": "circle"}


def library() -> str:
    """The text of plotly.js, empty without the extra `report`."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        return ""
    return str(get_plotlyjs()).replace("</script", "<\\/script")


@dataclass(frozen=True, slots=True)
class Axis:
    """What a contestant takes, by method, in a unit with readable numbers."""

    title: str
    sign: str
    values: Mapping[str, float]

    @property
    def log(self) -> bool:
        """Whether the values are too far apart for a plain axis."""
        positive = [v for v in self.values.values() if v > 0]
        return len(positive) == len(self.values) and max(positive, default=1) > 20 * min(positive, default=1)

    def write(self, value: float) -> str:
        """A value in three digits, with its unit."""
        digits = max(0, 2 - math.floor(math.log10(value))) if 0 < value < 100 else 0
        return f"{self.sign}{value:,.{digits}f}"

    def ticks(self) -> list[list[Any]]:
        """1, 2, 5, 10, ... over the values of a log axis: `[value, text, whether a power of ten]`."""
        low, high = min(self.values.values()) / 1.5, max(self.values.values()) * 1.5
        steps = [(digit, power) for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
                 for digit in (1, 2, 5)]
        return [[digit * 10.0 ** power, f"{self.sign}{digit * 10 ** power:,.{max(0, -power)}f}", digit == 1]
                for digit, power in steps if low <= digit * 10.0 ** power <= high]


def costs(lines: Sequence[Standing]) -> Axis:
    """Dollars; where a price is unknown or all are free, tokens; where those are unknown too, calls."""
    def each(sums: Mapping[str, float], scale: int = 1) -> dict[str, float]:
        """A sum per question of each line."""
        return {line.method: scale * sums[line.method] / max(1, line.questions) for line in lines}

    dollars = {line.method: line.cost or 0.0 for line in lines}
    if all(line.cost is not None for line in lines) and any(dollars.values()):
        most = max(each(dollars).values())
        scale, words = next(((n, words) for n, words in ((1, "question"), (1_000, "1,000 questions")) if most * n >= 0.01),
                            (1_000_000, "million questions"))
        return Axis(f"US dollars per {words}", "$", each(dollars, scale))
    if any(line.tokens for line in lines):
        return Axis("tokens per question", "", each({line.method: line.tokens for line in lines}))
    return Axis("calls per question", "", each({line.method: line.calls for line in lines}))


def front(board: Sequence[Standing]) -> dict[str, Any]:
    """Score against cost with 95% intervals, and the front of what nothing cheaper beats. `spots` are all points, those
    first whose names matter most."""
    lines = [line for line in board if line.method != ORACLE]
    axis = costs(lines)
    cost = axis.values
    spots = [line for line in lines if line.kind != "control"]
    best = [spots[i] for i in pareto([cost[s.method] for s in spots], [s.score for s in spots])]
    traces: list[dict[str, Any]] = [{
        "type": "scatter", "mode": "lines", "name": "front", "hoverinfo": "skip", "role": "front",
        "x": [cost[s.method] for s in best], "y": [100 * s.score for s in best], "line": {"shape": "hv", "width": 2}}]
    traces += [_spots(own, axis, kind) for kind in _MARKS if (own := [line for line in lines if line.kind == kind])]
    ranked = sorted(lines, key=lambda s: (s not in best, s.kind == "control", -s.score))
    return {"data": traces, "x": axis.title, "y": "score, %", "sign": axis.sign, "log": axis.log,
            "ticks": axis.ticks() if axis.log else [],
            "spots": [{"name": s.method, "x": cost[s.method], "y": 100 * s.score, "low": 100 * s.ci_low,
                       "high": 100 * s.ci_high} for s in ranked]}


def _spots(own: Sequence[Standing], axis: Axis, kind: str) -> dict[str, Any]:
    told = [f"{escape(s.method)}<br>{100 * s.score:.1f}% [{100 * s.ci_low:.1f}, {100 * s.ci_high:.1f}]<br>"
            f"{axis.write(axis.values[s.method])} {axis.title.removeprefix('US dollars ')}" for s in own]
    return {"type": "scatter", "mode": "markers", "name": kind, "role": kind,
            "x": [axis.values[s.method] for s in own], "y": [100 * s.score for s in own],
            "hovertext": told, "hovertemplate": "%{hovertext}<extra></extra>",
            "marker": {"size": 11, "symbol": _MARKS[kind], "line": {"width": 2}},
            "error_y": {"type": "data", "symmetric": False, "thickness": 1, "width": 3,
                        "array": [100 * (s.ci_high - s.score) for s in own],
                        "arrayminus": [100 * (s.score - s.ci_low) for s in own]}}
