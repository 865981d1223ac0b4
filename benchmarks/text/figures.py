"""The figures of the page: what people would rather look at than read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from panels import pooled

Found = dict[str, Any]

LINES = (("oracle", "oracle", "0.75", ":"), ("top, equal", "vote of the best k", "#3a7d44", "-"), ("vote, log-odds", "vote of random k, log-odds", "#d1495b", "-"),
         ("vote, equal", "vote of random k, plain", "#1b6ca8", "-"), ("best", "best of random k (on dev)", "0.2", "--"), ("random", "one of random k", "0.55", "-."))
"""Series of a curve: key, label, colour, line."""


def growth(sets: Sequence[Found], path: Path) -> None:
    """Score against the number of members, a panel for each set."""
    figure, axes = _panels(len(sets), 4)
    for axis, one in zip(axes, sets, strict=False):
        sizes = sorted({int(key[5:7]) for key in one["figures"] if key.startswith("size ")})
        for key, label, colour, line in LINES:
            points = [one["figures"][f"size {k:02} {key}"] for k in sizes]
            axis.plot(sizes, [100 * p["value"] for p in points], color=colour, linestyle=line, linewidth=1.5, label=label)
            if key.startswith("vote, equal"):
                axis.fill_between(sizes, [100 * p["low"] for p in points], [100 * p["high"] for p in points], color=colour, alpha=0.12, linewidth=0)
        axis.axhline(100 * one["figures"]["best single"]["value"], color="0.2", linewidth=0.7, label="best single of all")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        _dress(axis, one["set"], "members", "score, %")
    handles, labels = axes[0].get_legend_handles_labels()
    axes[len(sets)].legend(handles, labels, fontsize=9, loc="center", frameon=False)
    _save(figure, path)


def reasons(sets: Sequence[Found], path: Path) -> None:
    """Gain of a random team's vote against its spread, coloured by how correlated its members' errors are."""
    figure, axes = _panels(len(sets), 4)
    low, high = np.nanpercentile([t["correlation"] for one in sets for t in one["teams"]], [2, 98])
    for axis, one in zip(axes, sets, strict=False):
        teams = one["teams"]
        points = axis.scatter([100 * t["spread"] for t in teams], [100 * t["gain"] for t in teams], c=[t["correlation"] for t in teams], cmap="viridis",
                              vmin=low, vmax=high, s=14, alpha=0.85, linewidths=0)
        axis.axhline(0, color="0.4", linewidth=0.8)
        _dress(axis, one["set"], "spread: best minus mean member, points", "vote minus best of the five, points")
    holder = axes[len(sets)]
    bar = figure.colorbar(points, ax=holder, orientation="horizontal", fraction=0.5, pad=0.0)
    bar.set_label("correlation of the members' errors", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    _save(figure, path)


def judges(llmbar: Found, judgebench: Found, path: Path) -> None:
    """Every judge and prompt: agreement against how often it chooses the answer shown first."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4))
    names = [f"{name}" for name in pooled(llmbar["judges"])]
    for colour, name in zip(plt.get_cmap("tab10").colors, names, strict=False):
        mine = [one for key, one in llmbar["judges"].items() if key.partition(" | ")[0] == name]
        left.scatter([100 * one["front"] for one in mine], [100 * one["mean"]["value"] for one in mine], color=colour, s=22, label=name)
    left.axvline(50, color="0.5", linewidth=0.8, linestyle=":")
    left.legend(fontsize=7)
    _dress(left, "LLMBar: judges, one point for each prompt", "chooses the answer shown first, %", "agreement with the reference, %")
    both = {**{f"{k} (LLMBar)": v for k, v in pooled(llmbar["judges"]).items()},
            **{f"{k.split('_')[-1]} (JudgeBench)": v for k, v in pooled(judgebench["judges"]).items() if v["consistent"] < 0.98}}
    order = sorted(both, key=lambda k: both[k]["mean"])
    for offset, key, label, colour in ((0.2, "mean", "both orders, all pairs", "#9bbfd9"), (-0.2, "agreed", "only where both orders agree", "#1b6ca8")):
        right.barh(np.arange(len(order)) + offset, [100 * both[k][key] for k in order], height=0.36, color=colour, label=label)
    for place, name in enumerate(order):
        right.annotate(f"agrees with itself on {100 * both[name]['consistent']:.0f}%", (100 * both[name]["agreed"] + 0.6, place - 0.2), fontsize=6.5, va="center")
    right.set_yticks(range(len(order)), order, fontsize=7)
    right.set_xlim(40, 114)
    right.axvline(50, color="0.5", linewidth=0.8, linestyle=":")
    right.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
    _dress(right, "A judge that agrees with itself is right more often", "agreement with the reference, %", "")
    _save(figure, path)


def _panels(n: int, across: int) -> tuple[Any, Any]:
    """Axes for n panels and a legend, those that are left over empty."""
    down = -(-(n + 1) // across)
    figure, axes = plt.subplots(down, across, figsize=(4.0 * across, 3.3 * down), squeeze=False)
    for axis in axes.flat[n:]:
        axis.axis("off")
    return figure, axes.flat


def _dress(axis: Any, title: str, x: str, y: str) -> None:
    axis.set_title(title, fontsize=9)
    axis.set_xlabel(x, fontsize=8)
    axis.set_ylabel(y, fontsize=8)
    axis.tick_params(labelsize=7)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)
