"""Orders from pairwise comparisons. `margins[i][j]` is how clearly i beats j: antisymmetric, 0 for a draw."""

from __future__ import annotations

from collections.abc import Sequence

Margins = Sequence[Sequence[float]]


def by_wins(margins: Margins) -> list[float]:
    """Max-wins: comparisons won, a draw counting one half."""
    return [sum(0.5 + 0.5 * _sign(m) for j, m in enumerate(row) if j != i) for i, row in enumerate(margins)]


def by_margins(margins: Margins) -> list[float]:
    """Max-logits: s_i = sum_j (f_ij - f_ji), LLM-Blender section 3. A few large margins may outweigh many wins."""
    n = range(len(margins))
    return [sum(margins[i][j] - margins[j][i] for j in n if j != i) for i in n]


def order(scores: Sequence[float]) -> list[int]:
    """Indices by descending score; ties (within 1e-9) keep their order."""
    return sorted(range(len(scores)), key=lambda i: -round(scores[i], 9))


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)
