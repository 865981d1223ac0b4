"""Every example runs, on a few questions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from consilience import nursery
from consilience.bench import load
from tests.cli.scene import call
from tests.models.faults import chat, faulty

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DATA = Path(os.environ.get("CONSILIENCE_DATA") or ROOT.parent / "shared" / "data")

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no data in {DATA} (CONSILIENCE_DATA names another folder)")
needs_weights = pytest.mark.skipif(not nursery.WEIGHTS.is_dir(), reason="the weights of the embedded pool are not there")


def bench(name: str, out: Path, *more: object) -> dict[str, dict[str, object]]:
    result = call("bench", EXAMPLES / name, "--out", out, "--json", *more)
    assert result.exit_code == 0, result.output
    return {line["method"]: line for line in json.loads(result.stdout)}


def asked_for(name: str) -> set[str]:
    return {entry.name for entry in load(EXAMPLES / name).methods or ()}


def small(name: str, folder: Path, dev: int) -> Path:
    """The example with fewer dev questions, beside links to what it names."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    lines = [f"dev: {dev}" if line.startswith("dev:") else line for line in text.splitlines()]
    path = folder / name
    path.write_text("\n".join([*lines, *([] if any(line.startswith("dev:") for line in lines) else [f"dev: {dev}"])]) + "\n")
    return path


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILIENCE_DATA", str(DATA.resolve()))


@needs_data
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", ["mmlu_pro_replay.yaml", "cascade_replay.yaml"])
def test_recordings_are_replayed(name: str, tmp_path: Path) -> None:
    board = bench(str(small(name, tmp_path, 30)), tmp_path / "out", "--limit", 20)
    assert asked_for(name) <= set(board) and board["oracle"]["score"] >= max(b["score"] for b in board.values())  # type: ignore[type-var]
    if name.startswith("mmlu"):
        assert sum(b["kind"] == "member" for b in board.values()) == 18


@needs_data
@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("name", ["gsm8k.yaml", "mmlu_redux.yaml"])
def test_task_files_run_on_any_pool(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool is a real endpoint on loopback that knows one answer."""
    with faulty(chat("The answer is 4.")) as server:
        monkeypatch.setenv("CONSILIENCE_POOL", f"openai:parrot@{server.url}")
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        board = bench(str(small(name, tmp_path, 4)), tmp_path / "out", "--limit", 3)
    assert asked_for(name) <= set(board) and {b["questions"] for b in board.values()} == {3}
    assert all(b["unanswered"] == 0 for b in board.values())


def test_procedures_run_on_any_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(chat("The answer is 4.")) as server:
        monkeypatch.setenv("CONSILIENCE_POOL", f"openai:parrot@{server.url}")
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        text = small("procedures.yaml", tmp_path, 4)
        (tmp_path / "procedures").symlink_to(EXAMPLES / "procedures")
        board = bench(str(text), tmp_path / "out", "--limit", 3)
    assert asked_for("procedures.yaml") <= set(board)
    calls = {name: int(str(board[name]["calls"])) for name in ("fact check", "plan and review")}
    assert 9 <= calls["fact check"] <= 12 <= calls["plan and review"] <= 15, "three phases (fact_check.yaml), four, and plain answers"


@needs_weights
def test_the_main_job_has_every_level_and_a_nested_team(tmp_path: Path) -> None:
    board = bench(str(small("main.yaml", tmp_path, 8)), tmp_path / "out", "--limit", 8)
    assert asked_for("main.yaml") <= set(board)
    assert {"route", "text", "token", "weight", "search"} <= {str(b["level"]) for b in board.values()}


@needs_weights
@pytest.mark.parametrize("name", ["decoding.yaml", "memory.yaml", "routing.yaml", "small_and_large.yaml"])
def test_experiments_of_one_level_are_planned(name: str, tmp_path: Path) -> None:
    result = call("bench", EXAMPLES / name, "--dry-run", "--limit", 2, "--out", tmp_path / "out", "--store", tmp_path / "store.db")
    assert result.exit_code == 0, result.output
    assert all(entry in result.output for entry in asked_for(name)), "every method can be played by its pool"


@needs_weights
def test_the_embedded_pool_is_listed_by_group() -> None:
    members = json.loads(call("pool", "--json").stdout)
    assert {m["name"] for m in members} == {c["name"] for c in nursery.pool_cards()["members"]}
    assert {"main", "control"} <= {m["group"] for m in members} and all(m["spec"] == f"nursery/{m['name']}" for m in members)


@needs_weights
def test_the_quickstart_runs(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLES / "quickstart.py")], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "by" in done.stdout, done.stderr


@needs_weights
@pytest.mark.parametrize("name", ["panel", "vote", "nested"])
def test_embedded_teams_answer(name: str) -> None:
    result = call("ask", EXAMPLES / "teams" / f"{name}.yaml", "What is 17 + 25?", "--format", "number", "--trace",
                  "--max-tokens", 64)
    assert result.exit_code == 0 and "calls" in result.stdout, result.output


@needs_weights
def test_a_team_with_a_memory_answers_and_keeps_it(tmp_path: Path) -> None:
    result = call("ask", EXAMPLES / "teams" / "cheatsheet.yaml", "What is 17 + 25?", "--memory", tmp_path / "sheet.json",
                  "--max-tokens", 64)
    assert result.exit_code == 0 and list(json.loads((tmp_path / "sheet.json").read_text())) == ["team"], result.output


@needs_weights
def test_the_router_learns_and_answers(tmp_path: Path) -> None:
    fitted = call("fit", EXAMPLES / "teams" / "router.yaml", "--task", "nursery", "--limit", 16, "--out", tmp_path / "team",
                  "--store", tmp_path / "store.db")
    assert fitted.exit_code == 0, fitted.output
    assert call("ask", tmp_path / "team", "What is 17 + 25?").exit_code == 0


def test_the_team_of_endpoints_is_one(tmp_path: Path) -> None:
    with faulty(chat("oil floats")) as server:
        text = (EXAMPLES / "teams" / "endpoints.yaml").read_text().replace("openai:gpt-4o-mini", f"openai:one@{server.url}")
        (tmp_path / "team.yaml").write_text(text.replace("http://localhost:8000/v1", server.url))
        result = call("ask", tmp_path, "Which is heavier, oil or water?", "--json")
        assert result.exit_code == 0 and json.loads(result.stdout)["calls"] == 3 == len(server.bodies), result.output


def test_every_example_is_tested() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    names = [p for p in EXAMPLES.rglob("*") if p.suffix in (".yaml", ".py") and "__pycache__" not in p.parts]
    assert [p.name for p in names if p.stem not in tested and p.name not in tested] == []
