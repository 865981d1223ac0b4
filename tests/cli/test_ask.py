"""One question: the answer, the call tree, JSON; team files, saved teams and plain models."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.scene import call, recording
from tests.models.faults import chat, error, faulty

QUESTION = "What is 5 + 6?"


@pytest.fixture
def vote(tmp_path: Path) -> Path:
    path = recording(tmp_path)
    team = tmp_path / "vote.yaml"
    team.write_text(f"method: majority-vote\noptions: {{stop: never}}\nmembers: ['recorded:{path.name}']\n")
    return team


def test_the_answer_is_all_that_goes_to_stdout(vote: Path) -> None:
    result = call("ask", vote, QUESTION, "--format", "number")
    assert (result.exit_code, result.stdout) == (0, "The answer is 11.\n"), result.output


def test_the_trace_tells_who_said_what_and_how_it_was_read(vote: Path) -> None:
    shown = call("ask", vote, QUESTION, "--format", "number", "--trace").stdout
    assert "majority-vote" in shown and "votes {'11': 2.0, '10': 1.0}" in shown
    assert "ann  answer  “The answer is 11.”  read as 11  7→5 tokens, 0.1 s, $0.001" in shown
    assert "cid  answer  “The answer is 10.”  read as 10" in shown and "$0.003, 3 calls" in shown


def test_prompts_show_what_each_model_was_really_sent_once_each(tmp_path: Path) -> None:
    team = tmp_path / "panel.yaml"
    with faulty(chat("11")) as server:
        team.write_text(f"method: panel\noptions: {{prompts: {{write: 'OWN WORDS {{question}} {{answers}}'}}}}\n"
                        f"members: ['openai:m@{server.url}', {{name: n, spec: 'openai:m@{server.url}'}}]\n")
        asked = ["ask", team, QUESTION, "--format", "number"]
        plain, traced = call(*asked, "--trace").stdout, call(*asked, "--prompts").stdout
        told = json.loads(call(*asked, "--json", "--prompts").stdout)
        one = json.loads(call("ask", f"openai:m@{server.url}", QUESTION, "--json", "--prompts").stdout)
        without = json.loads(call(*asked, "--json").stdout)
    assert "prompt 1" not in plain and "OWN WORDS" not in plain and '"prompt":' not in json.dumps(without)
    assert traced.count("OWN WORDS") == 1 and traced.count(f"user: {QUESTION}") == 1 and "prompt 1  answer, to " in traced
    assert {p["asked"]: p["prompt"][0]["content"][:9] for p in told["parts"]} == {
        "answer": QUESTION[:9], "verdict": "Question:", "write": "OWN WORDS"}
    assert one["prompt"][0]["role"] == "user" and one["prompt"][0]["content"].startswith(QUESTION)


def test_recorded_answers_have_no_prompts_and_that_is_said(vote: Path) -> None:
    result = call("ask", vote, QUESTION, "--format", "number", "--prompts")
    assert result.exit_code == 0 and "ann  answer" in result.stdout and "prompt 1" not in result.stdout
    assert "recorded answers were given to whatever was sent then" in " ".join(result.stderr.split())


def test_json_is_the_whole_tree(vote: Path) -> None:
    told = json.loads(call("ask", vote, QUESTION, "--format", "number", "--json").stdout)
    assert told["reading"] == "11" and told["calls"] == 3 and [p["model"] for p in told["parts"]] == ["ann", "bob", "cid"]
    assert told["cost"] == pytest.approx(0.003) and told["parts"][0]["text"] == "The answer is 11."


def test_on_a_terminal_the_answer_is_streamed(vote: Path) -> None:
    parent, child = pty.openpty()
    work = subprocess.Popen([sys.executable, "-m", "consilience.cli", "ask", str(vote), QUESTION, "--format", "number"],
                            stdout=child, stderr=subprocess.PIPE)
    os.close(child)
    _, told = work.communicate(timeout=60)
    assert work.returncode == 0 and os.read(parent, 1000).decode().strip() == "The answer is 11.", told


def test_on_a_terminal_it_is_said_who_is_asked_and_a_pipe_gets_the_answer_alone(vote: Path) -> None:
    parent, child = pty.openpty()
    work = subprocess.Popen([sys.executable, "-m", "consilience.cli", "ask", str(vote), QUESTION, "--format", "number"],
                            stdout=subprocess.PIPE, stderr=child, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"})
    os.close(child)
    text, _ = work.communicate(timeout=60)
    assert work.returncode == 0 and text.decode() == "The answer is 11.\n"
    assert ": answer" in os.read(parent, 10000).decode()


def test_an_answer_that_is_to_be_read_is_the_same_on_a_terminal_and_in_a_pipe(tmp_path: Path) -> None:
    team = tmp_path / "panel.yaml"
    asked = [sys.executable, "-m", "consilience.cli", "ask", str(team), QUESTION, "--format", "number"]
    for terminal in (True, False):
        with faulty(chat("11"), chat("well")) as server:
            team.write_text(f"method: mixture-of-agents\nmembers: ['openai:m@{server.url}']\n")
            if terminal:
                parent, child = pty.openpty()
                work = subprocess.run(asked, stdout=child, stderr=subprocess.PIPE, timeout=60)
                os.close(child)
                said = os.read(parent, 1000).decode()
            else:
                work = subprocess.run(asked, capture_output=True, timeout=60)
                said = work.stdout.decode()
        assert (work.returncode, said.strip()) == (0, "11"), work.stderr


def test_an_answer_may_cost_what_was_said_and_no_more(vote: Path) -> None:
    told = json.loads(call("ask", vote, QUESTION, "--format", "number", "--json", "--budget", "0.0025").stdout)
    assert told["cost"] == pytest.approx(0.002) and [a["reason"] for a in told["absent"]] == ["budget"]
    poor = call("ask", vote, QUESTION, "--format", "number", "--budget", "0.0005")
    assert poor.exit_code == 2 and "it costs $0.001000" in poor.stderr
    assert call("ask", vote, QUESTION, "--budget", "0.003").stdout == call("ask", vote, QUESTION).stdout


def test_a_plain_model_and_a_question_from_stdin(tmp_path: Path) -> None:
    assert call("ask", f"recorded:{recording(tmp_path)}#ann", QUESTION).stdout == "The answer is 11.\n"
    empty = call("ask", f"recorded:{tmp_path / 'sums.jsonl'}#ann", "-")
    assert empty.exit_code == 2 and "the question is empty" in empty.stderr


def test_a_question_of_a_task_is_asked_by_its_id(vote: Path) -> None:
    task = f"recorded:{vote.parent / 'sums.jsonl'}"
    told = json.loads(call("ask", vote, "--task", task, "--example", "5", "--json").stdout)
    assert told["reading"] == "11" and told["calls"] == 3, "it is read as the task reads it"
    unknown = call("ask", vote, "--task", task, "--example", "5000")
    assert unknown.exit_code == 2 and "no question with the id '5000'; there are 40, such as 0, 1" in unknown.stderr
    for arguments in (("--example", "5"), ("--task", task), (QUESTION, "--task", task, "--example", "5")):
        result = call("ask", vote, *arguments)
        assert result.exit_code == 2 and "--task and --example together" in result.stderr


def test_a_recording_tells_how_it_can_be_asked(tmp_path: Path) -> None:
    member = f"recorded:{recording(tmp_path)}#ann"
    result = call("ask", member, "Who wrote Hamlet?")
    assert result.exit_code == 2 and f"--task 'recorded:{tmp_path / 'sums.jsonl'}#sums' --example 0" in result.stderr
    (tmp_path / "marks.jsonl").write_text('{"dataset": "d", "id": 1, "model": "m", "prompt": "Why?", "score": 0.5}\n')
    marked = call("ask", f"recorded:{tmp_path / 'marks.jsonl'}#m", "Why?")
    assert marked.exit_code == 0 and "only a score: 0.5" in marked.stderr


def test_endpoints_and_absent_members(tmp_path: Path) -> None:
    with faulty(chat("42")) as server, faulty(error(400)) as broken:
        team = tmp_path / "team.yaml"
        team.write_text(f"method: majority-vote\noptions: {{stop: never}}\nmembers: ['openai:good@{server.url}', 'openai:bad@{broken.url}']\n")
        result = call("ask", tmp_path, "6 * 7?", "--format", "number", "--trace", "--store", tmp_path / "store.db")
        again = call("ask", tmp_path, "6 * 7?", "--format", "number", "--store", tmp_path / "store.db")
        assert len(server.bodies) == 1, "the second time the answer comes from the store"
    assert result.stdout.startswith("42\n") and "bad is absent" in result.stdout, result.output
    assert again.stdout == "42\n"


def test_what_models_say_cannot_steer_the_terminal() -> None:
    with faulty(chat("\x1b]0;owned\x07\x1b[2J4[bold]2[/bold]")) as server:
        result = call("ask", f"openai:x@{server.url}", "?", "--trace")
    assert "\x1b" not in result.stdout and "\x07" not in result.stdout and "4[bold]2[/bold]" in result.stdout


@pytest.mark.parametrize(("team", "message"), [
    ("nowhere.yaml", "there is no team in nowhere.yaml"), ("nowhere", "unknown member 'nowhere'"),
    ("opnai:x", "Did you mean 'openai'"),
])
def test_what_is_not_there_is_said(team: str, message: str) -> None:
    result = call("ask", team, "?")
    assert result.exit_code == 2 and message in result.stderr


def test_nobody_answers(tmp_path: Path) -> None:
    with faulty(error(400, "no such model")) as server:
        result = call("ask", f"openai:x@{server.url}", "?")
    assert result.exit_code == 2 and "no such model" in result.stderr and "Traceback" not in result.output


def test_a_memory_is_a_file_that_is_read_written_edited_and_cleared(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    (tmp_path / "diary.py").write_text(DIARY)
    team = tmp_path / "diary.yaml"
    team.write_text(f"method: {tmp_path / 'diary.py'}:Diary\nmembers: ['recorded:{recording(tmp_path)}#ann']\n")
    assert call("ask", team, QUESTION).exit_code == 0 and not file.exists(), "without a file nothing is kept"
    for times in (1, 2):
        result = call("ask", team, QUESTION, "--memory", file)
        assert result.exit_code == 0 and json.loads(file.read_text()) == {"team": {"asked": times}}, result.output
    file.write_text('{"team": {"asked": 40}}')
    call("ask", team, QUESTION, "--memory", file)
    assert json.loads(file.read_text())["team"]["asked"] == 41
    failed = call("ask", team, "What is never asked?", "--memory", file)
    assert failed.exit_code == 2 and json.loads(file.read_text())["team"]["asked"] == 41
    for wrong, why in (("{", "cannot be read"), ("[1]", "holds list"), ('{"team": {"asked": "x"}}', "no memory of diary"),
                       ('{"teem": {}}', "Did you mean 'team'"), ('{"team": {"asked": 1, "b": 2}}', "no memory of diary")):
        file.write_text(wrong)
        told = call("ask", team, QUESTION, "--memory", file)
        assert told.exit_code == 2 and why in " ".join(told.stderr.split()) and file.read_text() == wrong, told.stderr
    file.unlink()
    call("ask", team, QUESTION, "--memory", file)
    assert json.loads(file.read_text())["team"]["asked"] == 1


def test_what_somebody_else_wrote_meanwhile_stands(tmp_path: Path) -> None:
    file, theirs = tmp_path / "memory.json", '{"team": {"asked": 7}}'
    writes = f"        open({str(file)!r}, 'w').write({theirs!r})\n        return await"
    (tmp_path / "diary.py").write_text(DIARY.replace("        return await", writes))
    team = tmp_path / "diary.yaml"
    team.write_text(f"method: {tmp_path / 'diary.py'}:Diary\nmembers: ['recorded:{recording(tmp_path)}#ann']\n")
    result = call("ask", team, QUESTION, "--memory", file)
    assert result.exit_code == 2 and "meanwhile" in result.stderr and result.stdout, "the answer is shown all the same"
    assert file.read_text() == theirs


def test_a_team_without_a_memory_refuses_one(vote: Path, tmp_path: Path) -> None:
    result = call("ask", vote, QUESTION, "--memory", tmp_path / "memory.json")
    assert result.exit_code == 2 and "keeps no memory; methods that do: dynamic-cheatsheet" in " ".join(result.stderr.split())


DIARY = '''
from dataclasses import dataclass
from typing import ClassVar
from consilience.method import Level, Ordered


@dataclass(frozen=True)
class Count:
    __pydantic_config__: ClassVar = {"extra": "forbid"}
    asked: int = 0


@dataclass(frozen=True)
class Diary(Ordered):
    """Counts questions."""

    level: ClassVar = Level.TEXT
    cost: ClassVar = "1"
    keeps: ClassVar = Count

    async def step(self, request, members, memory):
        return await members.best.ask(request), Count(memory.asked + 1)
'''
