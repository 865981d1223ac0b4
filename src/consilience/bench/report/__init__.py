"""The report: one offline HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def report(folders: Sequence[str | Path], out: str | Path | None = None) -> Path:
    """Write the report of one or several results folders (default: `report.html` in the first) and return its path."""
    target = Path(out) if out is not None else Path(folders[0]) / "report.html"
    return target
