"""Results of one or several benchmarks as columns of numbers, without the texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from consilience.bench.record import RunRecord, read_record
from consilience.bench.results import EXPERIMENT, Row, read_rows
from consilience.errors import ConfigError

NUMBERS = ("score", "unread", "error", "calls", "draws", "prompt_tokens", "completion_tokens", "cost", "seconds")


@dataclass(slots=True)
class Column:
    """One contestant on one task: arrays over the questions, in the task's order. `cost` is nan where unknown."""

    method: str
    kind: str
    level: str
    beside: bool
    folder: Path
    values: dict[str, np.ndarray]
    traces: list[str]

    @property
    def score(self) -> np.ndarray:
        """Scores, 0 for unanswered questions."""
        return self.values["score"]

    def sum(self, name: str) -> float:
        """Sum over the questions."""
        return float(self.values[name].sum())


@dataclass(slots=True)
class TaskTable:
    """All contestants on one task. `best` is the member that was best on dev (empty: there was no dev split)."""

    name: str
    ids: list[str]
    skills: list[str]
    clusters: list[str]
    columns: list[Column] = field(default_factory=list)
    best: str = ""
    guess: float = 0.0
    dev: int = 0

    @property
    def members(self) -> list[Column]:
        """The members that play in teams."""
        return [c for c in self.columns if c.kind == "member" and not c.beside]

    def column(self, method: str) -> Column | None:
        """A contestant by name."""
        return next((c for c in self.columns if c.method == method), None)

    @property
    def matrix(self) -> np.ndarray:
        """Scores of the members, [members, questions]."""
        return np.stack([c.score for c in self.members]) if self.members else np.zeros((0, len(self.ids)))

    @property
    def reference(self) -> Column | None:
        """The best single member, chosen on dev; on test (to the others' disadvantage) where there is no dev."""
        if self.best and (found := self.column(self.best)) is not None:
            return found
        return self.best_on_test

    @property
    def best_on_test(self) -> Column | None:
        """The member with the highest score on these very questions."""
        return max(self.members, key=lambda c: c.score.mean(), default=None)


@dataclass(frozen=True, slots=True)
class Source:
    """One results folder: what was asked for and what is known about the run."""

    folder: Path
    experiment: Mapping[str, Any]
    record: RunRecord


def read_source(folder: Path) -> Source:
    """The resolved experiment and the record of a folder. Raises ConfigError."""
    path = folder / EXPERIMENT
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{folder} is not the folder of a benchmark: {path.name} cannot be read ({error})") from None
    return Source(folder, data, read_record(folder))


def tables(sources: Sequence[Source]) -> list[TaskTable]:
    """One table per task. Equal tasks of several folders share one; a contestant that two folders call by one name
    but that answered differently bears its folder's name too."""
    found: dict[str, TaskTable] = {}
    for source in sources:
        for table in _tables(source):
            known = found.get(table.name)
            if known is not None and known.ids != table.ids:
                table.name = f"{table.name} @ {source.folder.name}"
                known = None
            if known is None:
                found[table.name] = table
            else:
                _join(known, table)
    return list(found.values())


def _join(known: TaskTable, more: TaskTable) -> None:
    for column in more.columns:
        same = known.column(column.method)
        if same is not None and all(np.array_equal(same.values[n], column.values[n], equal_nan=True) for n in NUMBERS):
            continue
        if same is not None:
            column.method = f"{column.method} @ {column.folder.name}"
        known.columns.append(column)


def _tables(source: Source) -> list[TaskTable]:
    run = source.experiment.get("run") or {}
    beside = {c["name"] for c in run.get("contestants", ()) if c["beside"]}
    facts = {t["name"]: t for t in run.get("tasks", ())}
    rows: dict[str, dict[str, dict[str, Row]]] = {}
    slim: dict[tuple[str, str], tuple[str, str]] = {}
    for row in read_rows(source.folder):
        rows.setdefault(row.task, {}).setdefault(row.method, {})[row.id] = _slim(row)
        slim.setdefault((row.task, row.method), (row.kind, row.level))
    out = []
    for task, methods in rows.items():
        ids = list(dict.fromkeys(i for answers in methods.values() for i in answers))
        any_row = {i: row for answers in methods.values() for i, row in answers.items()}
        table = TaskTable(task, ids, [any_row[i].skill for i in ids], [any_row[i].cluster for i in ids],
                          best=source.record.best.get(task, ""))
        if task in facts:
            table.guess, table.dev = facts[task]["guess"], facts[task]["dev"]
        for method, answers in methods.items():
            if len(answers) == len(ids):
                kind, level = slim[task, method]
                table.columns.append(_column(method, kind, level, method in beside, source.folder,
                                             [answers[i] for i in ids]))
        out.append(table)
    return out


def _slim(row: Row) -> Row:
    from dataclasses import replace

    return replace(row, text=None, reading=None, members=[], absent=[], key="")


def _column(method: str, kind: str, level: str, beside: bool, folder: Path, rows: Sequence[Row]) -> Column:
    def number(row: Row, name: str) -> float:
        value = getattr(row, name)
        if name == "error":
            return float(bool(value))
        if name == "cost" and row.error:
            return 0.0
        return np.nan if value is None else float(value)

    values = {name: np.array([number(row, name) for row in rows]) for name in NUMBERS}
    return Column(method, kind, level, beside, folder, values, [row.trace for row in rows])
