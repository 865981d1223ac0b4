"""Running: what is written, what is shared, what survives, and what the controls are."""

from __future__ import annotations

import asyncio
import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from consilience.bench import Entry, Outcome, Progress, make_plan, report, run
from consilience.errors import ConfigError, ModelError, StoreError
from consilience.gather import Members, ask_all
from consilience.method import Cast, Dev, Level, Method
from consilience.model import Measured, NextTokens, Price, Verify
from consilience.registry import method
from consilience.types import Reply, Request, Usage
from consilience.models.recorded import recorded_models
from tests.bench.scenes import experiment, knower, pool, quiz
from tests.members import Scripted, down


def bench(folder: Path, *methods: Any, members: Any = None, task: Any = None, **changes: Any) -> Outcome:
    options = {k: changes.pop(k) for k in ("store", "progress", "retry_failed") if k in changes}
    plan = make_plan(experiment(*methods, **changes), pool=members or pool(), tasks=[task or quiz()])
    return asyncio.run(run(plan, folder, **options))


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def of(folder: Path, method: str) -> list[dict[str, Any]]:
    return [row for row in rows(folder) if row["method"] == method]


def test_a_folder_holds_all_that_is_promised(tmp_path: Path) -> None:
    outcome = bench(tmp_path, Entry("majority-vote", {"stop": "never"}), "multiagent-refine")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"experiment.yaml", "results.jsonl", "traces.jsonl", "leaderboard.csv", "report.html"} <= names
    row = of(tmp_path, "majority-vote")[0]
    assert {"method", "level", "task", "split", "id", "text", "reading", "score", "calls", "prompt_tokens",
            "completion_tokens", "cost", "seconds", "members", "absent", "trace"} <= set(row)
    assert (row["split"], row["calls"], row["draws"], row["members"]) == ("test", 3, 3, ["low", "middle", "high"])
    traces = {t["trace"]: t["reply"] for t in map(json.loads, (tmp_path / "traces.jsonl").read_text().splitlines())}
    tree = traces[row["trace"]]
    assert [part["model"] for part in tree["parts"]] == row["members"] and tree["note"]["votes"]
    assert all(r["trace"] in traces for r in rows(tmp_path))
    resolved = yaml.safe_load((tmp_path / "experiment.yaml").read_text())
    assert {"versions", "prompts", "members", "seed"} <= set(resolved)
    spoken = {c["name"]: c.get("prompts") for c in resolved["run"]["contestants"]}
    assert spoken["multiagent-refine"] == method("multiagent-refine").speech and spoken["majority-vote"] is None
    with (tmp_path / "leaderboard.csv").open() as file:
        board = {line["method"]: line for line in csv.DictReader(file)}
    assert float(board["majority-vote"]["score"]) == sum(r["score"] for r in of(tmp_path, "majority-vote")) / 30
    assert [line.method for line in outcome.leaderboard] == list(board)


def test_an_experiment_brings_its_own_prompts(tmp_path: Path) -> None:
    members = pool()
    bench(tmp_path, Entry("multiagent-refine", {"prompts": {"fuse": "OURS {candidates} {question}"}}), members=members,
          task=quiz(6, dev=0), controls=False)
    fused = [p for m in members for p in m.prompts if "OURS" in p]
    assert fused and all("- " in p or "1. " in p for p in fused)
    [entry] = yaml.safe_load((tmp_path / "experiment.yaml").read_text())["methods"]
    assert entry["multiagent-refine"]["prompts"]["fuse"] == "OURS {candidates} {question}"


def test_rows_are_sorted_and_two_runs_are_equal(tmp_path: Path) -> None:
    for name, window in (("a", 1), ("b", 50)):
        bench(tmp_path / name, "majority-vote", "multiagent-refine", window=window)
    for file in ("results.jsonl", "traces.jsonl", "leaderboard.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_first_drafts_are_shared_and_the_order_of_methods_changes_no_number(tmp_path: Path) -> None:
    members = pool()
    bench(tmp_path / "a", "majority-vote", "multiagent-refine", members=members, controls=False)
    asked = [prompt for m in members for prompt in m.prompts if "<<<" not in prompt]
    assert len(asked) == 3 * (30 + 20), "each member drafts each test and dev question once"
    bench(tmp_path / "b", "multiagent-refine", "majority-vote", controls=False)
    boards = [{x["method"]: x for x in csv.DictReader((tmp_path / d / "leaderboard.csv").open())} for d in "ab"]
    for name in boards[0]:
        same = [{k: v for k, v in board[name].items() if k != "spent"} for board in boards]
        assert same[0] == same[1]
    assert float(boards[0]["multiagent-refine"]["cost"]) > float(boards[0]["multiagent-refine"]["spent"]) > 0


def test_a_store_that_others_filled_costs_nothing_now_but_the_same_on_record(tmp_path: Path) -> None:
    first = bench(tmp_path / "a", "majority-vote", store=tmp_path / "shared.sqlite")
    again = bench(tmp_path / "b", "majority-vote", store=tmp_path / "shared.sqlite")
    for a, b in zip(first.leaderboard, again.leaderboard, strict=True):
        assert (a.method, a.score, a.cost, a.fit_cost) == (b.method, b.score, b.cost, b.fit_cost)
        assert b.spent == 0.0


def test_the_controls_are_what_they_say(tmp_path: Path) -> None:
    bench(tmp_path, "majority-vote")
    by = {name: {r["id"]: r for r in of(tmp_path, name)} for name in
          ("low", "middle", "high", "best-on-dev", "random-member", "oracle", "self-consistency-of-best")}
    for id_ in by["low"]:
        members = [by[name][id_] for name in ("low", "middle", "high")]
        assert by["oracle"][id_]["score"] == max(r["score"] for r in members)
        assert by["oracle"][id_]["calls"] == 3
        assert by["best-on-dev"][id_]["text"] == by["high"][id_]["text"]
        assert by["random-member"][id_]["text"] in {r["text"] for r in members}
        assert by["self-consistency-of-best"][id_]["members"] == ["high"]
        assert by["self-consistency-of-best"][id_]["calls"] == 3
    assert len({tuple(r["members"]) for r in by["random-member"].values()}) == 3


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    calm = tmp_path / "calm"
    bench(calm, "majority-vote", "multiagent-refine")
    members, seen = pool(), []

    async def interrupted() -> None:
        plan = make_plan(experiment("majority-vote", "multiagent-refine", window=4), pool=members, tasks=[quiz()])
        task = asyncio.current_task()

        def watch(state: Progress) -> None:
            seen.append(state)
            if state.method == "multiagent-refine" and state.done == 9:
                assert task is not None
                task.cancel()

        await run(plan, tmp_path / "cut", progress=watch)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    before = len(of(tmp_path / "cut", "multiagent-refine"))
    assert before >= 9
    with (tmp_path / "cut" / "results.jsonl").open("a") as file:
        file.write('{"method":"multiagent-ref')
    asked = sum(len(m.asked) for m in members)
    bench(tmp_path / "cut", "majority-vote", "multiagent-refine", members=members)
    fresh = sum(len(m.asked) for m in members) - asked
    assert 0 < fresh < asked / 2
    for file in ("results.jsonl", "traces.jsonl"):
        assert (tmp_path / "cut" / file).read_bytes() == (calm / file).read_bytes()


def test_unanswered_questions_score_zero_are_counted_and_can_be_asked_again(tmp_path: Path) -> None:
    class Moody(Scripted):
        well = False

        def _one(self, request: Request, draw: int) -> Reply:
            if not self.well and "test question 3" in request.question:
                raise ModelError("moody is down", reason="down")
            return super()._one(request, draw)

    moody = Moody("moody", lambda request, draw: "Answer: A")
    outcome = bench(tmp_path, "majority-vote", members=[moody], task=quiz(9))
    line = next(x for x in outcome.leaderboard if x.method == "moody")
    assert (line.unanswered, line.questions) == (1, 9) and line.score == pytest.approx(2 / 9)
    lost = next(r for r in of(tmp_path, "majority-vote") if r["error"])
    assert lost["id"] == "test-3" and "moody is down" in lost["error"] and lost["score"] == 0
    moody.well = True
    bench(tmp_path, "majority-vote", members=[moody], task=quiz(9))
    assert any(r["error"] for r in rows(tmp_path)), "failures are asked again only when told so"
    bench(tmp_path, "majority-vote", members=[moody], task=quiz(9), retry_failed=True)
    assert not any(r["error"] for r in rows(tmp_path))


def test_one_member_down_is_absent_and_the_rest_goes_on(tmp_path: Path) -> None:
    bench(tmp_path, Entry("majority-vote", {"stop": "never"}), members=[*pool(), down("dead")])
    assert all(r["absent"] == [["dead", "down"]] and not r["error"] for r in of(tmp_path, "majority-vote"))
    assert all(r["error"] for r in of(tmp_path, "dead"))


@dataclass(frozen=True)
class Learner(Method):
    """Learns which member is best, and counts how often it is fitted."""

    level: ClassVar = Level.ROUTE
    must_fit: ClassVar = True
    fits: ClassVar[list[int]] = []

    async def fit(self, dev: Dev, cast: Cast) -> Any:
        self.fits.append(len(dev.examples))
        table = await dev.replies(cast.members)
        scores = [sum(s.score for s in row) for row in table]
        return self.with_learned({"best": scores.index(max(scores))})

    async def run(self, request: Request, members: Members) -> Reply:
        wave = await ask_all([members[self.found().values["best"]]], request)
        return wave.best


def test_fits_are_made_once_kept_and_billed(tmp_path: Path) -> None:
    spec = Entry(f"{__name__}:Learner", label="learner")
    Learner.fits.clear()
    first = bench(tmp_path, spec, dev=10)
    again = bench(tmp_path / "b", spec, dev=10, store=tmp_path / "store.sqlite")
    assert Learner.fits == [10], "the second run takes the fit from the store"
    for outcome in (first, again):
        line = next(x for x in outcome.leaderboard if x.method == "learner")
        drafts = 3 * 10 * 23e-6
        assert line.fit_cost == pytest.approx(drafts, rel=0.2), "drafts count once, though fit asked for them twice"
        assert line.score == next(x.score for x in outcome.leaderboard if x.method == "high")
    bench(tmp_path / "b", spec, dev=12, store=tmp_path / "store.sqlite")
    assert Learner.fits == [10, 12], "another dev is another fit"


@dataclass(frozen=True)
class Together(Method):
    """Stands for a method that decodes: what it says is said by no member alone."""

    level: ClassVar = Level.TOKEN
    runs: ClassVar[list[str]] = []

    async def run(self, request: Request, members: Members) -> Reply:
        self.runs.append(request.question)
        part = Reply("Answer: A", usage=Usage(3, 9, 6), cost=0.25, seconds=1.0, model="all", asked="decode")
        members.run.note(0, members.run.begin("x", "answer"), part)
        return part


def test_what_a_team_decodes_is_a_draw_kept_and_paid_once(tmp_path: Path) -> None:
    spec = Entry(f"{__name__}:Together", label="together")
    Together.runs.clear()
    first = bench(tmp_path / "a", spec, store=tmp_path / "s.sqlite")
    assert len(Together.runs) == 30
    again = bench(tmp_path / "b", spec, store=tmp_path / "s.sqlite")
    assert len(Together.runs) == 30, "the second benchmark finds the texts in the store"
    lines = [next(x for x in o.leaderboard if x.method == "together") for o in (first, again)]
    assert [x.spent for x in lines] == [30 * 0.25, 0.0] and [x.cost for x in lines] == [7.5, 7.5]


@dataclass(frozen=True)
class Chooser(Together):
    """Learns by decoding, and asks for words that come next and for ratings on the way."""

    needs: ClassVar = (NextTokens, Verify)
    must_fit: ClassVar = True

    async def fit(self, dev: Dev, cast: Cast) -> Any:
        return self.with_learned({"score": sum(await dev.evaluate(Together(), cast.members))})

    async def run(self, request: Request, members: Members) -> Reply:
        await members[0].next(request, ["A", "B"])
        await members[0].verify(request, ["Answer: A"])
        return await super().run(request, members)


class Able(Scripted):
    """Tells the likelihood of words, for a dollar a call; rating is free."""

    def power(self, kind: type) -> Any:
        return self if kind in (NextTokens, Verify) else None

    def refuses(self, peers: Any, **how: Any) -> str | None:
        return None if all(isinstance(peer, Able) for peer in peers) else "strangers"

    async def next(self, request: Request, choices: Any) -> Measured[list[float]]:
        return Measured([-1.0] * len(choices), Usage(1, 5, 0), 1.0, 0.1)


def test_powers_and_fits_are_counted_in_what_is_spent(tmp_path: Path) -> None:
    members = [Able(name, ["Answer: A"], scores=lambda text: 1.0, price=Price(0.0, 0.0)) for name in "ab"]
    outcome = bench(tmp_path, Entry(f"{__name__}:Chooser", label="chooser"), members=members, task=quiz(12, dev=10))
    line = next(x for x in outcome.leaderboard if x.method == "chooser")
    assert line.cost == pytest.approx(12 * (1.0 + 0.25)), "a dollar for the words, a quarter for the text"
    assert line.fit_cost == pytest.approx(10 * 0.25) and line.spent == pytest.approx(line.cost + line.fit_cost)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["spent"]["quiz"]["chooser"]["calls"] == 12 * (1 + 1 + 3) + 10 * 3


def test_unread_means_one_thing_whoever_answers(tmp_path: Path) -> None:
    """Members, teams of one and recorded members with published scores: an answer was wanted, and none is found."""
    lines = [{"dataset": "quiz", "id": f"test-{i}", "model": name, "prompt": f"test question {i}: which?", "score": 0.5} |
             ({"response": "hm" if i < 4 else "Answer: A"} if name == "text" else {}) for i in range(10) for name in ("text", "score")]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, lines)))
    text, scored = recorded_models(tmp_path / "r.jsonl")
    live = Scripted("live", lambda request, draw: "hm" if int(request.question.split()[2].rstrip(":")) < 4 else "Answer: A")
    alone = [Entry("random-member", members=(m.card.name,), label=f"team of {m.card.name}") for m in (text, scored, live)]
    board = bench(tmp_path / "out", *alone, members=[text, scored, live], task=quiz(10, dev=0), controls=False).leaderboard
    assert {line.method: line.unread for line in board} == {
        "text": 0.4, "team of text": 0.4, "live": 0.4, "team of live": 0.4, "score": 0.0, "team of score": 0.0}


class Mute(Able):
    """Decodes with nobody."""

    async def decode(self, *what: Any, **how: Any) -> list[Reply]:
        raise ModelError("the row was lost")


def test_answers_of_a_fallback_are_told_apart(tmp_path: Path) -> None:
    members = [Mute(name, ["Answer: A"], scores=lambda text: 1.0) for name in "ab"]
    outcome = bench(tmp_path, "logit-fusion", members=members, task=quiz(6, dev=0))
    line = next(x for x in outcome.leaderboard if x.method == "logit-fusion")
    assert (line.fallbacks, line.unanswered) == (6, 0) and all(x.fallbacks == 0 for x in outcome.leaderboard if x is not line)
    [row, *_] = of(tmp_path, "logit-fusion")
    assert row["fallback"] == "decoding together failed" and row["absent"] == [["a", "error"]]
    assert "6 by a fallback" in (tmp_path / "report.html").read_text()
    moody = [down("first"), knower("second", 0.5)]
    last = bench(tmp_path / "b", "best-on-dev", members=moody, task=quiz(6, dev=0), controls=False).leaderboard
    assert {x.method: x.fallbacks for x in last} == {"first": 0, "second": 0, "best-on-dev": 6}
    assert {r["fallback"] for r in of(tmp_path / "b", "best-on-dev")} == {"another member answered"}


OWN = """
from dataclasses import dataclass
from consilience.method import Level, Method
from consilience.types import Reply, Usage


@dataclass(frozen=True)
class Own(Method):
    level = Level.TOKEN

    async def run(self, request, members):
        part = Reply("Answer: LETTER", usage=Usage(1, 3, 2), cost=0.25, seconds=1.0, model="all", asked="decode")
        members.run.note(0, members.run.begin("x", "answer"), part)
        return part
"""


def test_what_a_team_decoded_with_other_code_is_not_taken_for_its_word(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    said = []
    for letter in "ABB":
        file.write_text(OWN.replace("LETTER", letter))
        out = tmp_path / str(len(said))
        bench(out, Entry(f"{file}:Own", label="own"), members=pool(), task=quiz(3, dev=0), store=tmp_path / "s.sqlite", controls=False)
        said.append({row["reading"] for row in of(out, "own")})
        record = json.loads((out / "run.json").read_text())["spent"]["quiz"]["own"]
        said.append(round(record["cost"], 9))
    assert said == [{"A"}, 3 * 0.25, {"B"}, 3 * 0.25, {"B"}, 0.0]


def test_a_budget_caps_every_run_and_not_the_fit(tmp_path: Path) -> None:
    free = bench(tmp_path / "a", "majority-vote", "multiagent-refine", store=tmp_path / "s.sqlite")
    bench(tmp_path / "b", "majority-vote", "multiagent-refine", store=tmp_path / "s.sqlite", budget=150e-6)
    bound = bench(tmp_path / "b", "majority-vote", "multiagent-refine", store=tmp_path / "s.sqlite", budget=1.0)
    for a, b in zip(free.leaderboard, bound.leaderboard, strict=True):
        assert (a.method, a.score, a.cost) == (b.method, b.score, b.cost), "what is enough changes nothing"
    bench(tmp_path / "c", "majority-vote", "multiagent-refine", store=tmp_path / "s.sqlite", budget=150e-6)
    paid = [row for row in rows(tmp_path / "c") if row["method"] != "oracle"]
    assert all(row["cost"] <= 150e-6 for row in paid if not row["error"])
    vote = of(tmp_path / "c", "majority-vote")
    assert any(reason == "budget" for row in vote for _, reason in row["absent"]) and not any(r["error"] for r in vote)
    assert "budget: 0.00015" in (tmp_path / "c" / "experiment.yaml").read_text()
    again = bench(tmp_path / "d", "majority-vote", "multiagent-refine", budget=150e-6)
    assert (tmp_path / "c" / "results.jsonl").read_bytes() == (tmp_path / "d" / "results.jsonl").read_bytes()
    assert all(line.unanswered == 0 for line in again.leaderboard)


def test_progress_tells_how_far_it_is(tmp_path: Path) -> None:
    seen: list[Progress] = []
    bench(tmp_path, "majority-vote", progress=seen.append)
    vote = [s for s in seen if s.method == "majority-vote"]
    assert [s.stage for s in vote if s.stage != "run"] == ["fit", "done"]
    assert [s.done for s in vote if s.stage == "run"] == list(range(31))
    last = vote[-1]
    assert (last.done, last.total, last.left) == (30, 30, 0.0) and last.tokens > 0 and last.cost and last.rate > 0


def test_unknown_prices_stay_unknown(tmp_path: Path) -> None:
    outcome = bench(tmp_path, "majority-vote", members=[knower("free", 0.5, price=None), knower("priced", 0.6)])
    cost = {x.method: x.cost for x in outcome.leaderboard}
    assert cost["majority-vote"] is None and cost["free"] is None and cost["priced"]


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        bench(tmp_path / "file" / "out", "majority-vote")


def test_one_benchmark_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    def second(_: Progress) -> None:
        if not refused:
            refused.append(ThreadPoolExecutor(1).submit(bench, tmp_path, "majority-vote", limit=5).exception())

    refused: list[BaseException | None] = []
    bench(tmp_path, "majority-vote", progress=second)
    assert isinstance(refused[0], ConfigError) and "another benchmark is at work in" in str(refused[0])
    assert len(of(tmp_path, "majority-vote")) == 30
    bench(tmp_path, "majority-vote", limit=5)
    assert len(of(tmp_path, "majority-vote")) == 5


def test_reports_join_folders_and_refuse_empty_ones(tmp_path: Path) -> None:
    bench(tmp_path / "a", "majority-vote")
    bench(tmp_path / "b", "multiagent-refine")
    page = report([tmp_path / "a", tmp_path / "b"], tmp_path / "both" / "x.html")
    text = page.read_text()
    assert "majority-vote" in text and "multiagent-refine" in text
    with pytest.raises(ConfigError, match="not the folder of a benchmark"):
        report([tmp_path])


def test_a_smaller_experiment_leaves_only_its_rows(tmp_path: Path) -> None:
    bench(tmp_path, "majority-vote", "multiagent-refine")
    bench(tmp_path, "majority-vote", limit=10)
    assert len(of(tmp_path, "majority-vote")) == 10 and not of(tmp_path, "multiagent-refine")


def test_three_tasks_share_one_report(tmp_path: Path) -> None:
    plan = make_plan(replace(experiment("majority-vote")), pool=pool(), tasks=[quiz(), quiz(12, name="other")])
    outcome = asyncio.run(run(plan, tmp_path))
    assert {(x.task, x.questions) for x in outcome.leaderboard} == {("quiz", 30), ("other", 12)}


def test_what_shows_itself_late_leaves_one_contestant_out_and_no_half_column(tmp_path: Path) -> None:
    """The trial before a run sees some questions only. Here two recorded members disagree on the last one, and only then
    the method asks them for something that was not recorded."""
    task = quiz(30, dev=0)
    lines = [{"dataset": "quiz", "id": one.id, "model": name, "prompt": one.question, "response": "B" if (name, i) == ("bob", 29) else "A"}
             for i, one in enumerate(task.test) for name in ("ann", "bob")]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told: list[Progress] = []
    outcome = bench(tmp_path / "out", "fusion-of-n", "majority-vote", members=recorded_models(tmp_path / "r.jsonl"), task=task,
                    controls=False, progress=told.append)
    assert {row["method"] for row in rows(tmp_path / "out")} == {"ann", "bob", "majority-vote"}
    assert len(of(tmp_path / "out", "majority-vote")) == 30, "the others go on"
    [left] = outcome.left_out
    assert (left.name, left.task) == ("fusion-of-n", "quiz") and "is recorded: it was asked the question alone, not the prompt form 'fuse'" in left.reason
    assert [p.method for p in told if p.stage == "left out"] == ["fusion-of-n"]
    assert {line.method for line in outcome.leaderboard} == {"ann", "bob", "majority-vote"}
