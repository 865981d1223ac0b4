"""What the command line writes with: answers go to stdout, everything else to stderr. NO_COLOR is honoured by Rich."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 200
"""Columns of tables that go to a file or a pipe, where COLUMNS says nothing else."""


def out() -> Console:
    """The console of stdout."""
    return Console(highlight=False, width=_width(sys.stdout), emoji=False)


def err() -> Console:
    """The console of stderr."""
    return Console(stderr=True, highlight=False, width=_width(sys.stderr), emoji=False)


def _width(stream: TextIO) -> int | None:
    return None if stream.isatty() or os.getenv("COLUMNS") else PIPED_WIDTH


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """A text without control characters, which could steer a terminal; models write anything."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def say(text: str, style: str = "") -> None:
    """A line of plain text on stdout: no markup, no wrapping, no control characters."""
    out().print(Text(harmless(text), style=style), soft_wrap=True)


def whisper(text: str, style: str = "dim") -> None:
    """A line on stderr."""
    err().print(Text(harmless(text), style=style), soft_wrap=True)


def say_json(value: Any) -> None:
    """A JSON value on stdout, indented."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


FOLDED = 24
"""Columns at least for a text that folds."""


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "",
               right: Sequence[str] = (), spare: Sequence[str] = ()) -> None:
    """A table on stdout; `right` names the columns of numbers, `spare` those that a narrow terminal does without, the first
    ones first."""
    rows = [["" if cell is None else harmless(str(cell)) for cell in row] for row in rows]
    wants = {column: max(map(cell_len, [column, *(row[i] for row in rows)])) for i, column in enumerate(columns)}
    wants = {c: width if c in right or c == columns[0] else min(width, FOLDED) for c, width in wants.items()}
    shown = fitting(wants, spare, out().width)
    _draw(shown, [[cell for cell, column in zip(row, columns, strict=True) if column in shown] for row in rows], title, right)
    if len(shown) < len(columns):
        say(f"too narrow here for: {', '.join(c for c in columns if c not in shown)}", style="dim")


def fitting(wants: Mapping[str, int], spare: Sequence[str], width: int) -> list[str]:
    """The columns, of these widths and two apart, that a terminal is wide enough for: it does without `spare`, the first ones
    first."""
    shown = list(wants)
    for column in spare:
        if sum(wants[c] + 2 for c in shown) - 2 > width:
            shown.remove(column)
    return shown


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, right: Sequence[str]) -> None:
    table = Table(title=title or None, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold",
                         no_wrap=column in right or column == columns[0])
    for row in rows:
        table.add_row(*map(Text, row))
    out().print(table)


def dollars(amount: float | None) -> str:
    """Money for eyes: `?` where a price is unknown."""
    return "?" if amount is None else "$0" if amount == 0 else f"${amount:.2g}" if amount < 0.01 else f"${amount:.2f}"


def seconds(amount: float | None) -> str:
    """A duration for eyes."""
    if amount is None:
        return "?"
    if 0 < amount < 0.1:
        return f"{amount * 1000:.0f} ms" if amount >= 0.001 else "< 1 ms"
    if amount < 60:
        return f"{amount:.1f} s"
    minutes, rest = divmod(round(amount), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
