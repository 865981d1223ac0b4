"""What the page shows of one task: words and numbers, ready to be written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from consilience.bench import statistics as st
from consilience.bench.leaderboard import Standing
from consilience.bench.plan import RESAMPLED
from consilience.bench.table import Column, TaskTable


NAMED = 4
"""Methods that a sentence names at most."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What a team adds to its members on one task."""

    method: str
    kind: str
    captured: float
    emergence: st.Emergence
    lost_share: float


@dataclass(frozen=True, slots=True)
class Skill:
    """Scores of all contestants on one skill."""

    name: str
    questions: int
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task: the leaderboard, what was found in words, gains, skills."""

    table: TaskTable
    board: Sequence[Standing]
    findings: Sequence[str]
    gains: Sequence[Gain]
    skills: Sequence[Skill]
    room: st.Headroom | None
    disagreement: float
    axis: tuple[float, float]
    columns: Sequence[Column]


def task_view(table: TaskTable, board: Sequence[Standing]) -> TaskView:
    """The view of one task."""
    matrix = table.matrix
    room = st.headroom(matrix) if len(matrix) > 1 else None
    order = {line.method: i for i, line in enumerate(board)}
    columns = sorted(table.columns, key=lambda c: order[c.method])
    bounds = [b for line in board if line.diff_low is not None and line.diff_high is not None
              for b in (line.diff_low, line.diff_high)]
    axis = (min([*bounds, -0.02]), max([*bounds, 0.02]))
    return TaskView(table, board, _findings(table, board, room), _gains(table, columns, room),
                    _skills(table, columns), room, st.disagreement(matrix), axis, columns)


def _gains(table: TaskTable, columns: Sequence[Column], room: st.Headroom | None) -> list[Gain]:
    if room is None:
        return []
    found = []
    for column in columns:
        if column.kind == "method" or column.method == RESAMPLED:
            seen = st.emergence(table.matrix, column.score)
            found.append(Gain(column.method, column.kind, room.captured(float(column.score.mean())), seen,
                              seen.lost / seen.solvable if seen.solvable else math.nan))
    return found


def _skills(table: TaskTable, columns: Sequence[Column]) -> list[Skill]:
    names = sorted({s for s in table.skills if s})
    if len(names) < 2:
        return []
    labels = np.array(table.skills)
    return [Skill(name, int((labels == name).sum()),
                  {c.method: float(c.score[labels == name].mean()) for c in columns}) for name in names]


def _findings(table: TaskTable, board: Sequence[Standing], room: st.Headroom | None) -> list[str]:
    from consilience.bench.report.numbers import percent, points

    reference = table.reference
    if reference is None:
        return []
    how = "chosen on dev" if table.best else "chosen on these very questions, for want of a dev split"
    base = next(line for line in board if line.method == reference.method)
    said = [f"The best single member, {how}, is {reference.method}: {percent(base.score)} "
            f"[{percent(base.ci_low)}, {percent(base.ci_high)}]."]
    top = table.best_on_test
    if top is not None and top is not reference:
        said.append(f"On these questions {top.method} would have been the best single member "
                    f"({percent(float(top.score.mean()))}).")
    methods = [line for line in board if line.kind == "method"]
    better = [line for line in methods if line.verdict == "better"]
    if better:
        first = better[0]
        said.append(f"{_are(better, methods)} shown to be better than it. The highest is "
                    f"{first.method}: {percent(first.score)}, {points(first.difference)} points "
                    f"[{points(first.diff_low)}, {points(first.diff_high)}].")
    elif methods:
        said.append("No method is shown to be better than it.")
    worse = [line for line in methods if line.verdict == "worse"]
    if worse:
        said.append(f"{_are(worse, methods)} shown to be worse than it: {_names(worse)}.")
    if room is not None:
        said.append(f"A perfect choice among the members' first answers would reach {percent(room.oracle)}.")
    aside = [c.method for c in table.columns if c.beside]
    for name in aside:
        line = next(line for line in board if line.method == name)
        above = [m.method for m in methods if m.score > line.score]
        said.append(f"{name}, shown beside the teams, reaches {percent(line.score)}; "
                    + (f"{len(above)} of {len(methods)} methods score higher." if above else "no method scores higher."))
    return said


def _are(some: Sequence[Standing], every: Sequence[Standing]) -> str:
    return f"{len(some)} of {len(every)} methods {'is' if len(some) == 1 else 'are'}"


def _names(lines: Sequence[Standing]) -> str:
    """The first few names, and how many more there are."""
    more = len(lines) - NAMED
    return ", ".join(line.method for line in lines[:NAMED]) + (f" and {more} more" if more > 0 else "")
