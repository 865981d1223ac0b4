"""Questions one after the other: what is kept, what resumes, and that a kill -9 in the middle changes nothing."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from consilience.bench import Entry, make_plan, run
from consilience.bench.stream import in_order
from consilience.errors import ModelError
from consilience.gather import Members, ask_all, plurality
from consilience.method import Level, Ordered
from consilience.store import Store
from consilience.types import Reply, Request
from tests.bench.loopback import serving
from tests.bench.scenes import Quiz, experiment, quiz
from tests.bench.test_crash import board, finish, lines, start
from tests.members import Scripted

HERE = f"{Path(__file__).resolve()}:Diary"
N = 8


@dataclass(frozen=True)
class Pages:
    """Numbers of the questions so far, with what was answered."""

    entries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diary(Ordered):
    """Asks with all earlier answers before the question, and writes this one down."""

    level: ClassVar = Level.TEXT
    paper: ClassVar = "none"
    cost: ClassVar = "N"
    keeps: ClassVar = Pages

    async def step(self, request: Request, members: Members, memory: Pages) -> tuple[Reply, Pages]:
        told = Request.of(f"Diary: {'; '.join(memory.entries)}\n{request.question}", form=request.form, format=request.format)
        reply = await plurality(request, await ask_all(members, told))
        return reply, Pages((*memory.entries, f"{request.question} {reply.text}"))


def echo(name: str) -> Scripted:
    return Scripted(name, lambda request, draw: f"Answer: {'ABC'[len(request.question) % 3]}")


def bench(out: Path, members: list[Scripted], task: Quiz | None = None, methods: Any = None, **options: Any) -> None:
    plan = make_plan(experiment(*(methods or [Entry(HERE, label="diary")]), controls=False), pool=members, tasks=[task or quiz(N)])
    asyncio.run(run(plan, out, **options))


def diary(out: Path) -> list[dict[str, Any]]:
    return [row for row in map(json.loads, (out / "results.jsonl").read_text().splitlines()) if row["method"] == "diary"]


def kept(out: Path, method: str = "diary") -> Any:
    return json.loads((out / "memory" / "quiz" / f"{method}.json").read_text())["team"]


def test_questions_are_asked_in_order_and_the_memory_is_left_to_be_read(tmp_path: Path) -> None:
    members = [echo("a"), echo("b")]
    for member in members:
        member.delay = .001
    bench(tmp_path, members)
    asked = [request.question for request in members[0].asked if "Diary" in request.question]
    assert [int(re.findall(r"question (\d+)", q)[-1]) for q in asked] == list(range(N))
    assert [q.count("Answer") for q in asked] == list(range(N)), "each with all answers before it, and no other"
    entries = kept(tmp_path)["entries"]
    assert [e.split(":")[0] for e in entries] == [f"test question {i}" for i in range(N)]
    assert not any(e.request.question in entry for e in quiz(N).dev for entry in entries)


def test_rows_leaderboard_record_and_report_say_that_the_order_counts(tmp_path: Path) -> None:
    bench(tmp_path, [echo("a"), echo("b")], methods=[Entry(HERE, label="diary"), Entry("majority-vote")])
    digests = [row["memory"] for row in diary(tmp_path)]
    assert len(set(digests)) == N and all(digests)
    record = json.loads((tmp_path / "run.json").read_text())["orders"]
    assert record == {"quiz": {"diary": digests[-1]}}
    marks = {line["method"]: line["memory"] for line in csv.DictReader((tmp_path / "leaderboard.csv").open())}
    assert marks == {"diary": digests[-1], "majority-vote": "", "a": "", "b": ""}
    assert f"memory on, order {digests[-1][:8]}" in (tmp_path / "report.html").read_text()


def test_another_order_is_another_result(tmp_path: Path) -> None:
    task = quiz(N)
    bench(tmp_path / "one", [echo("a"), echo("b")], task)
    bench(tmp_path / "two", [echo("a"), echo("b")], replace(task, test=task.test[::-1]))
    bench(tmp_path / "more", [echo("a"), echo("b")], quiz(N + 2))
    one, two, more = ([row["memory"] for row in diary(tmp_path / name)] for name in ("one", "two", "more"))
    assert not set(one) & set(two) and one == more[:N]
    assert in_order({"a": "1", "b": "2"})["b"] != in_order({"b": "2", "a": "1"})["a"]


class Stopped(Exception):
    """Ends a benchmark in the middle."""


def test_it_goes_on_where_it_stopped_with_the_same_memory(tmp_path: Path) -> None:
    calm, broken = tmp_path / "calm", tmp_path / "broken"
    bench(calm, [echo("a"), echo("b")])
    for stop in (3, 5):
        def watch(progress: Any, stop: int = stop) -> None:
            if progress.method == "diary" and progress.done == stop and progress.stage == "run":
                raise Stopped
        with pytest.raises((Stopped, ExceptionGroup)):
            bench(broken, [echo("a"), echo("b")], progress=watch)
        assert len(kept(broken)["entries"]) == stop
    members = [echo("a"), echo("b")]
    bench(broken, members)
    assert diary(broken) == diary(calm) and kept(broken) == kept(calm)
    assert [q.question.count("Answer") for q in members[0].asked if "Diary" in q.question] == [5, 6, 7], "only what was left"
    again = [echo("a"), echo("b")]
    bench(broken, again)
    assert not again[0].asked and kept(broken) == kept(calm)


@pytest.mark.parametrize("lost", ["the last memory", "all memories", "some rows"])
def test_what_is_lost_is_made_again_from_the_draws(tmp_path: Path, lost: str) -> None:
    bench(tmp_path, [echo("a"), echo("b")])
    before = diary(tmp_path), kept(tmp_path)
    results, told = tmp_path / "results.jsonl", (tmp_path / "results.jsonl").read_text().splitlines(keepends=True)
    with Store(tmp_path / "store.sqlite") as store:
        [(key, value)] = store.items("memories")
        if lost == "the last memory":       # as a kill between the last row and its memory leaves it
            value = {"behind": N - 1, "teams": {"team": {"entries": value["teams"]["team"]["entries"][:-1]}}}
            asyncio.run(store.put("memories", key, value))
        else:
            asyncio.run(store.remove("memories", [key] if lost == "all memories" else []))
            results.write_text("".join(line for line in told if '"diary"' not in line or '"test-6"' not in line))
    members = [echo("a"), echo("b")]
    bench(tmp_path, members)
    assert (diary(tmp_path), kept(tmp_path)) == before and not members[0].asked


def test_a_question_that_nobody_answered_is_asked_again_with_those_after_it(tmp_path: Path) -> None:
    def fails(request: Request, draw: int) -> Any:
        return ModelError("gone", reason="down") if re.findall(r"question (\d+)", request.question)[-1] == "2" else "Answer: A"
    bench(tmp_path, [Scripted("a", fails)])
    assert [bool(row["error"]) for row in diary(tmp_path)] == [i == 2 for i in range(N)] and len(kept(tmp_path)["entries"]) == N - 1
    mended = Scripted("a", ["Answer: A"])
    bench(tmp_path, [mended], retry_failed=True)
    assert not any(row["error"] for row in diary(tmp_path)) and len(kept(tmp_path)["entries"]) == N
    assert len([q for q in mended.asked if "Diary" in q.question]) == N - 2, "the first two are in the store"


def test_a_team_inside_a_team_remembers_too(tmp_path: Path) -> None:
    nest = Entry("majority-vote", {"stop": "never"}, label="nest", members=(Entry(HERE, label="inner"), "a"))
    bench(tmp_path, [echo("a"), echo("b")], methods=[nest])
    told = json.loads((tmp_path / "memory" / "quiz" / "nest.json").read_text())
    assert list(told) == ["team/member-1"] and len(told["team/member-1"]["entries"]) == N


@pytest.mark.timeout(180)
def test_a_kill_in_the_middle_changes_nothing_and_asks_nothing_twice(tmp_path: Path) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    questions = [{"id": f"{split}-{i}", "question": f"{split} question {i}?", "options": ["red", "green", "blue"],
                  "reference": "ABC"[i % 3], "split": split} for split, n in (("dev", 6), ("test", 16)) for i in range(n)]
    (tmp_path / "quiz.jsonl").write_text("".join(json.dumps(line) + "\n" for line in questions))
    with serving() as server:
        pool = [{"model": f"openai:{name}@{server.url}", "price": [1, 2]} for name in "ab"]
        methods = [{HERE: {"as": "diary"}}, {"xolver": {"agents": 2, "rounds": 1}}]
        (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(
            {"pool": pool, "tasks": "quiz.jsonl", "methods": methods, "controls": False, "sampling": {"max_tokens": 32}}))
        finish(tmp_path / "experiment.yaml", calm)
        undisturbed = server.forget()
        for calls in (50, 60):
            process = start(tmp_path / "experiment.yaml", killed)
            server.wait_for(calls)
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        finish(tmp_path / "experiment.yaml", killed)
        asked = server.forget()
    assert lines(killed / "results.jsonl") == lines(calm / "results.jsonl")
    assert lines(killed / "traces.jsonl") == lines(calm / "traces.jsonl")
    assert board(killed / "leaderboard.csv") == board(calm / "leaderboard.csv")
    assert kept(killed) == kept(calm) and kept(killed, "xolver") == kept(calm, "xolver") and len(kept(calm)["entries"]) == 16
    assert asked.keys() == undisturbed.keys()
    assert asked.total() - undisturbed.total() <= 2 * 2, "only calls under way at a kill may be made again"


def test_another_benchmark_with_the_same_store_does_not_change_what_is_left(tmp_path: Path) -> None:
    bench(tmp_path / "calm", [echo("a"), echo("b")])

    def older(store: Store, value: Any) -> None:
        [(key, _)] = store.items("memories")
        asyncio.run(store.put("memories", key, value))

    def watch(progress: Any) -> None:       # the other one is at its first question, as this one ends
        if progress.method == "diary" and progress.done == N and progress.stage == "run":
            with Store(tmp_path / "shared.sqlite") as store, ThreadPoolExecutor(1) as thread:
                thread.submit(older, store, {"behind": 1, "teams": {"team": {"entries": ["one"]}}}).result()
    bench(tmp_path / "one", [echo("a"), echo("b")], store=tmp_path / "shared.sqlite", progress=watch)
    assert kept(tmp_path / "one") == kept(tmp_path / "calm") and diary(tmp_path / "one") == diary(tmp_path / "calm")
