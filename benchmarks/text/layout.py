"""How figures are written in the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consilience.bench.statistics import holm


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are figures."""
    return "\n".join(["| " + " | ".join(head) + " |", "| --- " + "| --: " * (len(head) - 1) + "|",
                      *("| " + " | ".join(row) + " |" for row in rows)])


def percent(figure: dict[str, float], digits: int = 1, span: bool = True) -> str:
    """A share in percent with its interval."""
    shown = f"{100 * figure['value']:.{digits}f}"
    return f"{shown} [{100 * figure['low']:.{digits}f}, {100 * figure['high']:.{digits}f}]" if span else shown


def differences(figures: Sequence[dict[str, float]]) -> list[str]:
    """Differences in points with verdicts, adjusted for their number."""
    return [f"{100 * f['value']:+.1f} [{100 * f['low']:+.1f}, {100 * f['high']:+.1f}]{mark(f, p)}"
            for f, p in zip(figures, holm([f["p"] for f in figures]), strict=True)]


def mark(figure: dict[str, float], p: float) -> str:
    """The verdict on a difference."""
    if p >= 0.05 or figure["low"] <= 0 <= figure["high"]:
        return ""
    return " **better**" if figure["value"] > 0 else " **worse**"
