"""The plots, as figures for plotly.js; the library itself is embedded, so the page asks for nothing."""

from __future__ import annotations

from collections.abc import Sequence
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


def front(board: Sequence[Standing]) -> dict[str, Any]:
    """Score against cost per question with 95% intervals, and the front of what nothing cheaper beats. Tokens stand in
    for dollars where a price is unknown or all are free."""
    lines = [line for line in board if line.method != ORACLE]
    priced = all(line.cost is not None for line in lines) and any(line.cost for line in lines)
    cost = {line.method: ((line.cost or 0.0) if priced else line.tokens) / max(1, line.questions) for line in lines}
    spots = [line for line in lines if line.kind != "control"]
    best = [spots[i] for i in pareto([cost[s.method] for s in spots], [s.score for s in spots])]
    labelled = {(cost[s.method], s.score): s.method for s in reversed(best)}
    traces: list[dict[str, Any]] = [{
        "type": "scatter", "mode": "lines", "name": "front", "hoverinfo": "skip", "role": "front",
        "x": [cost[s.method] for s in best], "y": [100 * s.score for s in best], "line": {"shape": "hv", "width": 2}}]
    for kind, label in (("member", "members"), ("control", "controls"), ("method", "methods")):
        own = [line for line in lines if line.kind == kind]
        if own:
            traces.append(_spots(own, cost, kind, label, set(labelled.values())))
    positive = [c for c in cost.values() if c > 0]
    wide = bool(positive) and max(positive) > 20 * min(positive) and len(positive) == len(cost)
    unit = "US dollars per question" if priced else "tokens per question"
    return {"data": traces, "x": unit, "y": "score, %", "log": wide}


def _spots(own: Sequence[Standing], cost: dict[str, float], kind: str, label: str, best: set[str]) -> dict[str, Any]:
    return {"type": "scatter", "mode": "markers+text", "name": label, "role": kind,
            "x": [cost[s.method] for s in own], "y": [100 * s.score for s in own],
            "text": [s.method if s.method in best else "" for s in own], "hovertext": [s.method for s in own],
            "hovertemplate": "%{hovertext}<br>%{y:.1f}% at %{x:.4g}<extra></extra>", "textposition": "top center",
            "marker": {"size": 11, "symbol": _MARKS[kind], "line": {"width": 2}},
            "error_y": {"type": "data", "symmetric": False, "thickness": 1, "width": 3,
                        "array": [100 * (s.ci_high - s.score) for s in own],
                        "arrayminus": [100 * (s.score - s.ci_low) for s in own]}}
