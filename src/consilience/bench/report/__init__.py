"""The report: one HTML file that needs no network and no server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from consilience.bench.leaderboard import Standing, rank, write_csv
from consilience.bench.report.browser import browser
from consilience.bench.report.figures import front, library
from consilience.bench.report.views import task_view
from consilience.bench.results import LEADERBOARD, REPORT, write_text
from consilience.bench.table import read_source, tables
from consilience.errors import ConfigError


def report(folders: Sequence[str | Path], out: str | Path | None = None) -> Path:
    """Write the report of one or several results folders (default: `report.html` in the first, and its
    `leaderboard.csv` beside it) and return its path. Raises ConfigError when a folder holds no results."""
    return publish(folders, out)[0]


def publish(folders: Sequence[str | Path], out: str | Path | None = None) -> tuple[Path, list[Standing]]:
    """`report`, with the lines of the leaderboard."""
    places = [Path(folder) for folder in folders]
    if not places:
        raise ConfigError("a report needs at least one results folder")
    sources = [read_source(place) for place in places]
    found = tables(sources)
    boards = [rank(table, sources) for table in found]
    lines = [line for board in boards for line in board]
    target = Path(out) if out is not None else places[0] / REPORT
    target.parent.mkdir(parents=True, exist_ok=True)
    write_csv(target.with_name(LEADERBOARD), lines)
    plotly = library()
    views = [task_view(table, board) for table, board in zip(found, boards, strict=True)]
    figures = [front(board) for board in boards] if plotly else []
    write_text(target, _page({
        "title": ", ".join(dict.fromkeys(str(s.experiment["name"]) for s in sources)), "sources": sources,
        "tasks": views, "plotly": plotly, "figures": _embedded(figures), "browser": _embedded(browser(found, places)),
        "left_out": list(dict.fromkeys(x for s in sources for x in s.record.left_out)),
        "style": _part("style.css"), "script": _part("script.js")}))
    return target, lines


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _embedded(value: Any) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _page(context: dict[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    from consilience.bench.report import numbers

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": numbers.percent, "points": numbers.points, "money": numbers.money,
                            "count": numbers.count, "p": numbers.p_value, "each": numbers.each}
    return environment.from_string(_part("page.html")).render(context)
