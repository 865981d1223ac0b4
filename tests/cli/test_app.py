"""The edge of the command line: help that teaches, errors in one line, exit codes, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.scene import call, experiment
from tests.models.faults import faulty, hang

COMMANDS = ("ask", "bench", "fit", "report", "methods", "tasks", "pool", "record", "import-moco", "doctor")
RUN = [sys.executable, "-m", "consilience.cli"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_examples(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0 and "Examples:" in result.stdout and f"consilience {command}" in result.stdout


def test_the_list_of_commands_is_the_contract() -> None:
    shown = call("--help").stdout
    assert [c for c in COMMANDS if f" {c} " not in shown] == []
    assert call("--version").stdout.startswith("consilience 0.")


def test_errors_are_one_line_and_exit_2(tmp_path: Path) -> None:
    result = call("bench", experiment(tmp_path, "[majorty-vote]"))
    assert result.exit_code == 2 and result.stdout == ""
    [line] = result.stderr.strip().splitlines()
    assert line.startswith("error: ") and "Did you mean 'majority-vote'" in line


def test_debug_shows_where_before_and_behind_the_command(tmp_path: Path) -> None:
    path = experiment(tmp_path, "[majorty-vote]")
    for arguments in (["--debug", "bench", path], ["bench", path, "--debug"]):
        assert "ConfigError" in type(call(*arguments).exception).__name__


@pytest.mark.parametrize(("arguments", "told"), [
    (["bench"], "consilience bench: Missing argument 'experiment'. See consilience bench --help"),
    (["bench", "x.yaml", "--limit", "0"], "consilience bench: Invalid value for '--limit': "),
    (["bench", "x.yaml", "--limit", "many"], "consilience bench: Invalid value for '--limit': "),
    (["bench", "x.yaml", "--limit"], "Option '--limit' requires an argument."),
    (["bench", "x.yaml", "--limt", "3"], "consilience bench has no option '--limt'. Did you mean '--limit'?"),
    (["bench", "x.yaml", "y.yaml"], "consilience bench: Got unexpected extra argument(s) (y.yaml). See consilience bench --help"),
    (["doctr"], "there is no command 'doctr'. Did you mean 'doctor'?"),
    (["zzz"], "there is no command 'zzz'. Known: ask, bench, "),
    (["--versoin"], "consilience has no option '--versoin'. Did you mean '--version'?"),
])
def test_wrong_usage_is_one_line_with_a_hint_and_exits_2(arguments: list[str], told: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    [line] = result.stderr.strip().splitlines()
    assert line.startswith(f"error: {told}")


def test_without_arguments_the_help_is_shown() -> None:
    assert "Begin here:" in call().output


def test_an_unforeseen_error_exits_1_without_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consilience.cli.lists.everyone", lambda: 1 / 0)
    result = call("pool")
    assert result.exit_code == 1 and "ZeroDivisionError" in result.stderr and "--debug" in result.stderr
    assert "unforeseen, in test_app.py, line " in result.stderr


def test_ctrl_c_leaves_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text("".join(f'{{"question": "{i} + 1?", "reference": "{i + 1}"}}\n' for i in range(9)))
    with faulty(hang(30.0)) as server:
        path = tmp_path / "slow.yaml"
        path.write_text(f"pool: ['openai:slow@{server.url}']\ntasks: [./q.jsonl]\nmethods: [majority-vote]\n")
        work = subprocess.Popen([*RUN, "bench", str(path), "--out", str(tmp_path / "out")], stderr=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True, env=os.environ | {"OPENAI_API_KEY": "none"})
        until = time.monotonic() + 30
        while not server.bodies and time.monotonic() < until and work.poll() is None:
            time.sleep(0.05)
        work.send_signal(signal.SIGINT)
        _, told = work.communicate(timeout=60)
    assert server.bodies, told
    assert work.returncode == 130 and "interrupted" in told and "the same command goes on" in told
    assert "Traceback" not in told
