"""Fitting, saving and using a team; recording a model's answers and replaying them."""

from __future__ import annotations

import json
from pathlib import Path

from consilience.cli.fit import told as words
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


def test_what_to_expect_is_said_in_words_and_in_json(tmp_path: Path) -> None:
    team = tmp_path / "aimed.yaml"
    team.write_text(f"method: linear-router\noptions: {{max_cost_per_1k: 1.5}}\nmembers: ['recorded:{recording(tmp_path).name}']\n")
    given = ("fit", team, "--task", f"recorded:{tmp_path / 'sums.jsonl'}", "--store", tmp_path / "store.db")
    said = call(*given).stdout
    for line in ("what to expect of the team on questions like the", "the best member alone", "per 1,000 questions",
                 "at most 0.1 s in 95 of 100", "target   max_cost_per_1k: 1.5", "asked    "):
        assert line in said, said
    found = json.loads(call(*given, "--json").stdout)
    assert found["target"] == {"max_cost_per_1k": 1.5} and found["expected"]["cost_per_1k"][0] <= 1.5
    assert sum(found["expected"]["shares"].values()) > .99 and len(found["expected"]["gain"]) == 3
    team.write_text(team.read_text().replace("1.5", "0.1"))
    refused = call(*given)
    assert refused.exit_code == 2 and "the nearest has a mean score of" in refused.stderr and "$1 per 1,000" in refused.stderr


def test_unknown_costs_and_times_are_said() -> None:
    told = "\n".join(words({"questions": 9, "quality": [.5, .2, .8], "best_single": [.6, .3, .9], "gain": [-.1, -.2, -.05],
                            "cost_per_1k": None, "latency": 0.0}, {}))
    assert "cost     unknown" in told and "time     unknown" in told and "worse than the best member alone" in told
    assert "asked" not in told and "target   none" in told
