"""Results of one or several benchmarks as columns of numbers, without the texts."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from consilience.bench.record import RunRecord, read_record
from consilience.bench.results import EXPERIMENT, Row, read_rows
from consilience.errors import ConfigError

NUMBERS = ("score", "unread", "error", "fallback", "calls", "draws", "prompt_tokens", "completion_tokens", "cost",
           "seconds")


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
    if not isinstance(data, Mapping) or "name" not in data:
        raise ConfigError(f"{folder} is not the folder of a benchmark: {path.name} names no experiment")
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
    tasks: dict[str, _Draft] = {}
    for row in read_rows(source.folder):
        tasks.setdefault(row.task, _Draft()).take(row)
    return [draft.table(task, source, beside, facts) for task, draft in tasks.items()]


class _Draft:
    """The columns of one task while its rows are read, question by question: numbers only."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.skills: list[str] = []
        self.clusters: list[str] = []
        self.columns: dict[str, tuple[str, str, dict[int, int], array[float], list[str]]] = {}

    def take(self, row: Row) -> None:
        """One more row; a later row of a question stands for an earlier one."""
        place = self.places.setdefault(row.id, len(self.places))
        if place == len(self.skills):
            self.skills.append(row.skill)
            self.clusters.append(row.cluster)
        _, _, order, numbers, traces = self.columns.setdefault(row.method, (row.kind, row.level, {}, array("d"), []))
        order[place] = len(traces)
        numbers.extend(_number(row, name) for name in NUMBERS)
        traces.append(row.trace)

    def table(self, task: str, source: Source, beside: set[str], facts: Mapping[str, Any]) -> TaskTable:
        """The finished table; a contestant that has not answered everything is not in it."""
        made = TaskTable(task, list(self.places), self.skills, self.clusters, best=source.record.best.get(task, ""))
        if task in facts:
            made.guess, made.dev = facts[task]["guess"], facts[task]["dev"]
        for method, (kind, level, order, numbers, traces) in self.columns.items():
            if len(order) == len(self.places):
                rows = [order[place] for place in range(len(order))]
                block = np.array(numbers).reshape(-1, len(NUMBERS))[rows]
                made.columns.append(Column(method, kind, level, method in beside, source.folder,
                                           {name: block[:, i].copy() for i, name in enumerate(NUMBERS)},
                                           [traces[row] for row in rows]))
        return made


def _number(row: Row, name: str) -> float:
    value = getattr(row, name)
    if name in ("error", "fallback"):
        return float(bool(value))
    if name == "cost" and row.error:
        return 0.0
    return float("nan") if value is None else float(value)
