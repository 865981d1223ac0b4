"""What there is: methods, tasks, pools, for eyes and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from typer.testing import CliRunner

from consilience.bench import parse
from consilience.cli.app import app
from consilience.registry import method, methods
from tests.cli.scene import call, recording


def test_every_method_is_listed_with_its_facts() -> None:
    shown = call("methods").stdout
    assert [name for name in methods() if name not in shown] == []
    told = {m["name"]: m for m in json.loads(call("methods", "--json").stdout)}
    vote = told["majority-vote"]
    assert vote["level"] == "text" and vote["cost"] == "N*draws" and vote["compares"]
    assert [o["name"] for o in vote["options"]] == ["draws", "weights", "stop"] and all(o["doc"] for o in vote["options"])


def test_prompts_are_printed_as_they_are_replaced() -> None:
    shown = call("methods", "reconcile", "--prompts").stdout
    told = yaml.safe_load(shown.split("\nin an experiment")[0])
    assert {"first", "discuss"} <= set(told["reconcile"]["prompts"]) and "{views}" in told["reconcile"]["prompts"]["discuss"]["text"]
    [entry] = parse({"pool": "nursery", "tasks": ["nursery"], "methods": [told]}).methods or ()
    made = method(entry.method, entry.options)
    assert made.speech == method("reconcile").speech and "prompts" in call("methods", "reconcile").stdout
    assert json.loads(call("methods", "panel", "--prompts", "--json").stdout)["write"]["item"].startswith("{number}")
    assert "no prompts of its own" in call("methods", "majority-vote", "--prompts").stdout
    assert call("methods", "--prompts").exit_code == 2


def test_a_level_and_the_markdown_table() -> None:
    routes = call("methods", "--level", "route", "--markdown").stdout.splitlines()
    assert routes[0].startswith("| method |") and len(routes) == 2 + sum(m.level == "route" for m in methods().values())


def test_every_method_has_a_page() -> None:
    for name, cls in methods().items():
        result = call("methods", name)
        assert result.exit_code == 0 and (not cls.paper or cls.paper[:30] in result.stdout), result.output
        assert "quorum" in result.stdout, "what every method takes"


def test_a_narrow_terminal_has_room_for_names_and_what_they_do() -> None:
    shown = CliRunner().invoke(app, ["methods", "--level", "text"], env={"COLUMNS": "80"}).stdout
    assert "calls per question" not in shown.splitlines()[0] and max(map(len, shown.splitlines())) <= 80 and "panel " in shown


def test_an_unknown_method_has_a_hint() -> None:
    result = call("methods", "cascad")
    assert result.exit_code == 2 and "Did you mean 'cascade'" in result.stderr


def test_a_method_of_ones_own_has_a_page(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text('''
from dataclasses import dataclass
from consilience.method import Level, Method

@dataclass(frozen=True)
class First(Method):
    """Ask the first."""
    level = Level.ROUTE
    courage: int = 3
    """How much."""
    async def run(self, request, members):
        return await members[0].ask(request)
''')
    result = call("methods", f"{path}:First")
    assert result.exit_code == 0 and "Ask the first." in result.stdout and "courage  int " in result.stdout
    hint = result.stdout.split("in an experiment:")[1]
    [entry] = parse({"pool": "nursery", "tasks": ["nursery"], **yaml.safe_load(hint)}).methods or ()
    assert (entry.method, entry.options, entry.name) == (f"{path}:First", {"courage": 3}, "first")
    assert method(entry.method, entry.options).options()["courage"] == 3


def test_tasks(tmp_path: Path) -> None:
    rows = json.loads(call("tasks", "--json").stdout)
    assert {"nursery", "nursery/arith"} <= {row["task"] for row in rows} and all(row["test"] for row in rows)
    shown = json.loads(call("tasks", f"recorded:{recording(tmp_path)}", "--json").stdout)
    assert shown["answer formats"] == ["number/1"] and shown["dev"] + shown["test"] == 40
    wrong = call("tasks", "nursery/arit")
    assert wrong.exit_code == 2 and "nursery/arith" in wrong.stderr


def test_pools(tmp_path: Path) -> None:
    path = recording(tmp_path)
    cards = json.loads(call("pool", f"recorded:{path}", "--json").stdout)
    assert [c["name"] for c in cards] == ["ann", "bob", "cid"] and cards[0]["spec"] == f"recorded:{path}#ann"
    one = call("pool", f"recorded:{path}#bob").stdout
    assert "name: bob" in one and "fingerprint: " in one
    wrong = call("pool", f"recorded:{path}#bop")
    assert wrong.exit_code == 2 and "Did you mean 'bob'" in wrong.stderr


def test_pools_and_tasks_for_eyes(tmp_path: Path) -> None:
    path = recording(tmp_path)
    shown = call("pool", f"recorded:{path}").stdout
    assert all(name in shown for name in ("member", "ann", "bob", "cid", "text only")) and "group" not in shown.split("\n")[0]
    everyone = call("pool").stdout
    assert "generalist" in everyone and "group" in everyone.split("\n")[0] and "`nursery` alone means the first group" in everyone
    assert "powers: Continue, Embed, Hidden, NextTokens, Score, Weights; verifier: Verify, Weights" in everyone
    one = call("pool", "generalist").stdout
    assert "powers: Continue, Embed, " in one
    assert "name: generalist" in one and "parameters: " in one and "about: generalist" in one
    wrong = call("pool", "generalst")
    assert wrong.exit_code == 2 and "unknown pool or model 'generalst'" in wrong.stderr
    tasks = call("tasks").stdout
    assert "nursery/arith" in tasks and "hub:org/name" in tasks
    told = call("tasks", f"recorded:{path}").stdout
    assert "answer formats: number" in told and "dev: " in told and "left out" not in told


def test_one_method_as_json(tmp_path: Path) -> None:
    told = json.loads(call("methods", "cascade", "--json").stdout)
    assert told["name"] == "cascade" and told["level"] == "route" and {o["name"] for o in told["options"]} >= {"order", "quantile"}
