"""kill -9 at any moment, then the same command again: the results of an undisturbed run, and no call paid twice but
those that were under way."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bench.loopback import Counting, serving

QUESTIONS = 24
KILLS = 3
AT_ONCE = 4
"""Calls of one member under way at the same time."""
MEASURED = {"seconds", "started"}
"""What a wall clock decides in an endpoint's reply; all else must be equal."""

COMMAND = """
import asyncio, sys
from consilience.bench import load, make_plan, run
asyncio.run(run(make_plan(load(sys.argv[1])), sys.argv[2]))
"""


def setting(folder: Path, server: Counting) -> Path:
    lines = [{"id": f"{split}-{i}", "question": f"{split} question {i}?", "options": ["red", "green", "blue"],
              "reference": "ABC"[i % 3], "split": split} for split, n in (("dev", 12), ("test", QUESTIONS)) for i in range(n)]
    (folder / "quiz.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pool = [{"model": f"openai:{name}@{server.url}", "max_concurrency": AT_ONCE, "price": [1, 2]} for name in "abc"]
    experiment = {"pool": pool, "tasks": "quiz.jsonl", "window": 16, "sampling": {"max_tokens": 32},
                  "methods": ["majority-vote", {"multiagent-refine": {"early_stop": False}}, "prompt-routing"]}
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    return folder / "experiment.yaml"


def start(experiment: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", COMMAND, str(experiment), str(out)], stderr=subprocess.PIPE,
                            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


def finish(experiment: Path, out: Path) -> None:
    process = start(experiment, out)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()[-2000:]


def without_clock(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_clock(v) for k, v in value.items() if k not in MEASURED}
    return [without_clock(v) for v in value] if isinstance(value, list) else value


def lines(path: Path) -> list[Any]:
    return [without_clock(json.loads(line)) for line in path.read_text().splitlines()]


def board(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return [{k: v for k, v in row.items() if k not in ("seconds", "spent")} for row in csv.DictReader(file)]


@pytest.mark.timeout(180)
def test_killed_and_run_again_equals_an_undisturbed_run(tmp_path: Path) -> None:
    calm, killed, chance = tmp_path / "calm", tmp_path / "killed", random.Random(7)
    with serving() as server:
        experiment = setting(tmp_path, server)
        finish(experiment, calm)
        undisturbed = server.forget()
        for _ in range(KILLS):
            process = start(experiment, killed)
            server.wait_for(chance.randint(20, 90))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        finish(experiment, killed)
        asked = server.forget()
        finish(experiment, killed)
        assert not server.asked, "a finished benchmark asks nothing"

    rows = lines(killed / "results.jsonl")
    assert rows == lines(calm / "results.jsonl")
    assert lines(killed / "traces.jsonl") == lines(calm / "traces.jsonl")
    assert board(killed / "leaderboard.csv") == board(calm / "leaderboard.csv")
    assert len({(row["method"], row["id"]) for row in rows}) == len(rows) == 10 * QUESTIONS
    assert set(undisturbed.values()) == {1}, "an undisturbed run asks nothing twice"
    assert asked.keys() == undisturbed.keys()
    assert asked.total() - len(asked) <= KILLS * 3 * AT_ONCE, "only calls under way at a kill may be made again"
