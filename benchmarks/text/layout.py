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


def verdicts(figures: Sequence[dict[str, float]]) -> list[str]:
    """`better`, `worse` or nothing, of differences that are adjusted for their number."""
    return [("better" if f["value"] > 0 else "worse") if p < 0.05 and not f["low"] <= 0 <= f["high"] else ""
            for f, p in zip(figures, holm([f["p"] for f in figures]), strict=True)]


def differences(figures: Sequence[dict[str, float]]) -> list[str]:
    """Differences in points with their verdicts."""
    return [f"{100 * f['value']:+.1f} [{100 * f['low']:+.1f}, {100 * f['high']:+.1f}]" + (f" **{verdict}**" if verdict else "")
            for f, verdict in zip(figures, verdicts(figures), strict=True)]
