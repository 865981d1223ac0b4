"""Tables of several results folders: equal answers are one column, unlike ones keep apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from consilience.bench.results import Results, failed_row, make_row
from consilience.bench.table import Source, read_source, tables
from consilience.errors import ConfigError, ModelError
from consilience.types import Reply
from tests.bench.scenes import example


def folder(path: Path, scores: dict[str, list[float | None]], first: int = 0, task: str = "quiz") -> Source:
    """A results folder: scores by contestant (None: not answered), of the questions from `first` on."""
    with Results(path) as results:
        for name, column in scores.items():
            for i, score in enumerate(column):
                one, who, key = example(first + i), (name, "member", "member"), f"{name}{i}"
                if score is None:
                    results.write(failed_row(who, task, one, ModelError("down"), key), None)
                else:
                    reply = Reply("A", model=name, cost=None)
                    results.write(make_row(who, task, one, reply, score, key), reply)
    (path / "experiment.yaml").write_text("name: scene\n")
    return read_source(path)


def test_equal_columns_are_one_and_unlike_ones_bear_their_folder(tmp_path: Path) -> None:
    sources = [folder(tmp_path / "one", {"a": [1, 0], "b": [1, 1]}), folder(tmp_path / "two", {"a": [1, 0], "b": [0, 1], "c": [1, None]}),
               folder(tmp_path / "three", {"a": [1, 0]})]
    [table] = tables(sources)
    assert {c.method: list(c.score) for c in table.columns} == {"a": [1, 0], "b": [1, 1], "b @ two": [0, 1], "c": [1, 0]}
    assert table.column("a").folder.name == "one" and list(table.column("c").values["error"]) == [0, 1]  # type: ignore[union-attr]


def test_unlike_questions_are_another_task(tmp_path: Path) -> None:
    found = tables([folder(tmp_path / "one", {"a": [1, 0]}), folder(tmp_path / "two", {"a": [1, 0]}, first=1),
                    folder(tmp_path / "three", {"b": [1, 0]})])
    assert {table.name: [c.method for c in table.columns] for table in found} == {"quiz": ["a", "b"], "quiz @ two": ["a"]}


def test_who_did_not_answer_everything_has_no_column(tmp_path: Path) -> None:
    [table] = tables([folder(tmp_path / "one", {"a": [1, 0, 1], "b": [1, 1]})])
    assert [c.method for c in table.columns] == ["a"] and table.best_on_test is table.reference is table.column("a")
    [none] = tables([replace(folder(tmp_path / "two", {"a": [1]}), experiment={"name": "x", "run": {
        "contestants": [{"name": "a", "beside": True}], "tasks": [{"name": "quiz", "guess": 0.5, "dev": 3}]}})])
    assert none.members == [] and none.reference is None and none.matrix.shape == (0, 1) and (none.guess, none.dev) == (0.5, 3)


@pytest.mark.parametrize("text", [None, "name: [", "- a", "pool: nursery"])
def test_folders_of_something_else(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "experiment.yaml").write_text(text)
    with pytest.raises(ConfigError, match="is not the folder of a benchmark"):
        read_source(tmp_path)
