"""How numbers are written."""

from __future__ import annotations

import math

NONE = "–"


def percent(value: float | None, digits: int = 1) -> str:
    """`93.4%`."""
    return NONE if value is None or math.isnan(value) else f"{100 * value:.{digits}f}%".replace("-", "−")


def points(value: float | None) -> str:
    """`+12.3` percentage points, with a true minus sign."""
    if value is None or math.isnan(value):
        return NONE
    return f"{100 * value:+.1f}".replace("-", "−")


def money(value: float | None) -> str:
    """Dollars with three significant digits; unknown prices say so."""
    if value is None or math.isnan(value):
        return "unknown"
    if value == 0:
        return "$0"
    digits = max(2, 2 - math.floor(math.log10(abs(value))))
    return f"${value:,.{min(digits, 12)}f}"


def count(value: float | None) -> str:
    """`12,345`; small numbers with one digit after the point."""
    if value is None or math.isnan(value):
        return NONE
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def each(value: float | None, questions: int) -> str:
    """A sum as a mean per question."""
    return count(None if value is None else value / max(1, questions))


def p_value(value: float | None) -> str:
    """`.003`, `<.001`."""
    if value is None or math.isnan(value):
        return NONE
    return "<.001" if value < 0.001 else "1" if value > 0.9995 else f"{value:.3f}".lstrip("0")
