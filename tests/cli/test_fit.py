"""Fitting, saving and using a team; recording a model's answers and replaying them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.scene import QUESTIONS, call, experiment, recording


def router(folder: Path) -> Path:
    path = folder / "router.yaml"
    path.write_text(f"method: knn-router\nmembers: ['recorded:{recording(folder).name}']\n")
    return path


def test_a_fitted_team_is_asked_and_benchmarked(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    result = call("fit", router(tmp_path), "--task", f"recorded:{tmp_path / 'sums.jsonl'}", "--store", store)
    folder = tmp_path / "router-fitted"
    assert result.exit_code == 0 and (folder / "team.yaml").exists(), result.output
    assert f"saved: {folder}" in result.stdout and "ann" in result.stdout
    asked = call("ask", folder, "What is 5 + 6?", "--format", "number", "--json")
    assert json.loads(asked.stdout)["reading"] in ("10", "11"), asked.output
    path = experiment(tmp_path, "[majority-vote, ./router-fitted]")
    board = json.loads(call("bench", path, "--out", tmp_path / "out", "--json").stdout)
    assert "router-fitted" in {line["method"] for line in board} or "knn-router" in {line["method"] for line in board}


def test_an_unfitted_team_says_so(tmp_path: Path) -> None:
    result = call("ask", router(tmp_path), "What is 5 + 6?", "--format", "number")
    assert result.exit_code == 2 and "consilience fit" in result.stderr


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    result = call("fit", router(tmp_path), "--task", f"recorded:{tmp_path / 'sums.jsonl'}", "--out", tmp_path / "mine",
                  "--store", tmp_path / "store.db")
    assert result.exit_code == 2 and "holds something else" in result.stderr


def test_what_is_recorded_is_replayed_and_continued(tmp_path: Path) -> None:
    source, out = recording(tmp_path), tmp_path / "again.jsonl"
    task = f"recorded:{source}"
    first = call("record", f"recorded:{source}#ann", "--task", task, "--split", "test", "--out", out)
    whole = call("record", f"recorded:{source}#ann", "--task", task, "--out", out)
    assert first.exit_code == whole.exit_code == 0, first.output + whole.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == len({line["id"] for line in lines}) == QUESTIONS
    asked = call("ask", f"recorded:{out}#ann", "What is 5 + 6?")
    assert asked.stdout == "The answer is 11.\n"
    wrong = call("record", f"recorded:{source}#ann", "--task", task, "--split", "tset")
    assert wrong.exit_code == 2
