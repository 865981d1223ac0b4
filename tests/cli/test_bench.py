"""Benchmarks from the command line: files, tables, estimates, reports."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from consilience.bench import Progress
from consilience.bench.leaderboard import Standing
from consilience.cli.bench import Board, show_board
from tests.cli.scene import call, experiment

FILES = {"experiment.yaml", "results.jsonl", "traces.jsonl", "leaderboard.csv", "report.html"}


def test_a_benchmark_leaves_its_files_and_shows_its_leaderboard(tmp_path: Path) -> None:
    path, out = experiment(tmp_path), tmp_path / "out"
    result = call("bench", path, "--out", out)
    assert result.exit_code == 0, result.output
    assert FILES <= {f.name for f in out.iterdir()} and f"report: {out / 'report.html'}" in result.stdout
    for name in ("majority-vote", "knn-router", "oracle", "best-on-dev", "ann"):
        assert name in result.stdout
    board = json.loads(call("bench", path, "--out", out, "--json").stdout)
    rows = list(csv.DictReader((out / "leaderboard.csv").open()))
    assert [line["method"] for line in board] == [row["method"] for row in rows]
    page = (out / "report.html").read_text()
    (out / "report.html").unlink()
    assert call("report", out).stdout.strip() == str(out / "report.html")
    assert (out / "report.html").read_text() == page


def test_a_member_whose_answers_are_not_found_is_shown(tmp_path: Path) -> None:
    path = experiment(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "sums.jsonl").read_text().splitlines()]
    mute = [{k: v for k, v in line.items() if k not in ("answer", "score")} | {"response": f"{'Well, ' * 40}let me see"}
            for line in lines if line["model"] == "cid"]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, [*(x for x in lines if x["model"] != "cid"), *mute])))
    told = call("bench", path, "--out", tmp_path / "out").stderr
    asked = len({row["id"] for row in map(json.loads, (tmp_path / "out" / "results.jsonl").read_text().splitlines())})
    assert f"cid: no answer was found in {asked} of {asked} texts of sums; one ends “…" in told and "Well, let me see”" in told
    assert "ann: no answer" not in told


def test_what_a_table_cannot_say_is_explained_below_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = [Standing(**line) for line in json.loads(call("bench", experiment(tmp_path), "--out", tmp_path / "out", "--json").stdout)]
    line = next(line for line in board if line.kind == "method")
    show_board([replace(line, diff_low=-0.1, diff_high=0.2, verdict="no difference shown")])
    shown = capsys.readouterr().out
    assert "more than an interval" not in shown and "cost ?" not in shown
    show_board([replace(line, cost=None)])
    assert "cost ?: a member has no price" in capsys.readouterr().out
    show_board([replace(line, diff_low=0.1, diff_high=0.2, verdict="no difference shown")])
    assert "need more than an interval without zero" in capsys.readouterr().out


def test_limits_and_methods_narrow_an_experiment(tmp_path: Path) -> None:
    path, out = experiment(tmp_path), tmp_path / "out"
    board = json.loads(call("bench", path, "--out", out, "--limit", 5, "--methods", "knn-router", "--json").stdout)
    assert {line["questions"] for line in board} == {5}
    assert "knn-router" in {line["method"] for line in board} and "majority-vote" not in {line["method"] for line in board}
    wrong = call("bench", path, "--methods", "knn-ruter")
    assert wrong.exit_code == 2 and "Did you mean 'knn-router'" in wrong.stderr


def test_a_dry_run_asks_nobody_and_writes_nothing(tmp_path: Path) -> None:
    path, out = experiment(tmp_path), tmp_path / "out"
    result = call("bench", path, "--out", out, "--dry-run")
    assert result.exit_code == 0 and not out.exists() and "no model was asked" in result.stdout
    estimates = {e["method"]: e for e in json.loads(call("bench", path, "--dry-run", "--json").stdout)}
    vote, ann = estimates["majority-vote"]["calls"], estimates["ann"]["calls"]["low"]
    assert vote == {"low": 2 * ann, "high": 3 * ann} and ann > 0, "two that agree decide"


def test_reports_of_what_is_no_benchmark(tmp_path: Path) -> None:
    assert "there is no folder" in call("report", tmp_path / "nowhere").stderr
    result = call("report", tmp_path)
    assert result.exit_code == 2 and str(tmp_path) in result.stderr


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_a_narrow_terminal_shows_fewer_columns_of_the_progress_but_no_cut_numbers(width: int) -> None:
    board = Board()
    for i, (name, stage) in enumerate([("self-consistency-of-best", "run"), ("[red]refine", "run"), ("knn-router", "fit"), ("ann", "done")]):
        board(Progress(name, "sums", stage, 30 * i, 12345, tokens=123_456 * i, cost=0.5 * i, rate=12.3, left=75.0))
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(board)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 5 and max(map(len, lines)) <= width and not any("…" in line for line in lines)
    assert all(word in "\n".join(lines) for word in ("self-consistency-of-best", "[red]refine", "60/12345", "1 finished"))
    assert ("task" in lines[0], "left" in lines[0]) == (width > 110, width >= 60)
