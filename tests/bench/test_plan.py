"""Plans: what runs, what cannot, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consilience.bench import Entry, make_plan, parse
from consilience.errors import ConfigError, TaskError, TeamError
from consilience.reading import Free
from consilience.types import Example, Request
from tests.bench.scenes import Quiz, experiment, knower, pool, quiz


def test_members_come_first_then_controls_then_methods() -> None:
    plan = make_plan(experiment("majority-vote"), pool=pool(), tasks=[quiz()])
    assert [(r.name, r.contestant.kind) for r in plan.runs] == [
        ("low", "member"), ("middle", "member"), ("high", "member"), ("best-on-dev", "control"),
        ("random-member", "control"), ("self-consistency-of-best", "control"), ("oracle", "control"),
        ("majority-vote", "method")]
    assert plan.left_out == ()


def test_a_method_that_is_named_must_be_playable_and_all_leaves_out_what_is_not() -> None:
    with pytest.raises(TeamError, match="logit-fusion needs NextTokens"):
        make_plan(experiment("logit-fusion"), pool=pool(), tasks=[quiz()])
    plan = make_plan(replace(experiment(), methods=None), pool=pool(), tasks=[quiz()])
    reasons = {one.name: one.reason for one in plan.left_out}
    assert "needs NextTokens" in reasons["logit-fusion"]
    names = {r.name for r in plan.runs}
    assert {"majority-vote", "cascade"} <= names and "logit-fusion" not in names
    assert len(names) == len(plan.runs), "controls that are methods too are listed once"


def test_log_probabilities_that_members_cannot_give_hinder_before_any_call() -> None:
    class Mute(type(knower("x", 1.0))):  # type: ignore[misc]
        @property
        def card(self) -> Any:
            return replace(super().card, settings=frozenset({"seed"}))

    mute = Mute("mute", ["A"])
    with pytest.raises(TeamError, match="needs token log-probabilities, which mute cannot give"):
        make_plan(experiment("cascade"), pool=[*pool(), mute], tasks=[quiz()])
    assert mute.asked == []


def test_without_dev_the_best_on_dev_is_listed_and_what_must_be_fitted_is_an_error() -> None:
    plan = make_plan(experiment("majority-vote"), pool=pool(), tasks=[quiz(dev=0)])
    assert [(x.name, x.reason) for x in plan.left_out] == [("best-on-dev", "the task has no dev split to choose on")]
    with pytest.raises(TeamError, match="must be fitted, and the task has no dev split"):
        make_plan(experiment("knn-router"), pool=pool(), tasks=[quiz(dev=0)])


def test_limits_take_skills_in_equal_shares_and_nest() -> None:
    def ids(limit: int) -> list[str]:
        plan = make_plan(experiment("majority-vote", limit=limit), pool=pool(), tasks=[quiz(90)])
        examples = plan.tasks[0].test
        assert abs(sum(e.skill == "odd" for e in examples) * 2 - limit) <= 1
        return [e.id for e in examples]

    assert set(ids(10)) <= set(ids(20)) <= set(ids(41)) and len(ids(41)) == 41


def test_seed_and_sampling_reach_the_requests() -> None:
    plan = make_plan(experiment("majority-vote", seed=5, sampling={"temperature": 0.2}), pool=pool(), tasks=[quiz()])
    request = plan.tasks[0].test[0].request
    assert (request.seed, request.sampling.temperature, request.sampling.max_tokens) == (5, 0.2, 512)


def test_unusable_tasks_are_refused() -> None:
    with pytest.raises(TaskError, match="test split is empty"):
        make_plan(experiment("majority-vote"), pool=pool(), tasks=[quiz(0)])
    twice = quiz(2)
    with pytest.raises(TaskError, match="two test questions have the id 'test-0'"):
        make_plan(experiment("majority-vote"), pool=pool(), tasks=[replace(twice, test=(twice.test[0],) * 2)])
    free = Quiz("free", (), (Example("1", Request.of("Write."), ("x",)),))
    with pytest.raises(TeamError, match="no answer format"):
        make_plan(experiment("majority-vote", controls=False), pool=pool(), tasks=[free])
    assert Free().name


def test_names_must_tell_contestants_apart() -> None:
    with pytest.raises(ConfigError, match="two members are called 'low'"):
        make_plan(experiment("majority-vote"), pool=[*pool(), knower("low", 0.1)], tasks=[quiz()])
    with pytest.raises(ConfigError, match="'low' is also the name of a member"):
        make_plan(experiment(Entry("majority-vote", label="low")), pool=pool(), tasks=[quiz()])


def test_members_of_a_method_are_found_by_name_and_nest() -> None:
    inner = Entry("majority-vote", members=("low", "middle"), label="pair")
    plan = make_plan(experiment(Entry("majority-vote", members=(inner, "high"), label="nested")), pool=pool(), tasks=[quiz()])
    team = plan.runs[-1].contestant.model
    assert team is not None and [m.card.name for m in team.members] == ["pair", "high"]  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="'hihg' is no member of the pool. Did you mean 'high'"):
        make_plan(experiment(Entry("majority-vote", members=("hihg",))), pool=pool(), tasks=[quiz()])


def recorded(folder: Path, texts: bool = True) -> Path:
    import json

    lines = [{"dataset": "quiz", "id": f"{split}-{i}", "prompt": f"{split} question {i}: which?", "model": model,
              "split": split, "reference": "ABC"[i % 3], "score": float((i + len(model)) % 2),
              **({"response": f"Answer: {'ABC'[(i + (model == 'three')) % 3]}"} if texts else {})}
             for split in ("dev", "test") for i in range(30) for model in ("one", "three")]
    path = folder / "recorded.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_what_a_recording_cannot_give_is_listed_never_approximated(tmp_path: Path) -> None:
    path = recorded(tmp_path)
    one = parse({"pool": f"recorded:{path}", "tasks": "quiz", "methods": "all"})
    plan = make_plan(one, tasks=[quiz()])
    reasons = {x.name: x.reason for x in plan.left_out}
    assert "cannot be replayed" in reasons["self-consistency-of-best"]
    assert "cannot be replayed" in reasons["multiagent-refine"]
    assert "log-probabilities" in reasons["cascade"]
    names = {r.name for r in plan.runs}
    assert {"one", "three", "best-on-dev", "random-member", "oracle", "majority-vote", "knn-router"} <= names


def test_recorded_scores_alone_play_only_methods_that_read_no_text(tmp_path: Path) -> None:
    one = parse({"pool": f"recorded:{recorded(tmp_path, texts=False)}", "tasks": "quiz", "methods": "all"})
    plan = make_plan(one, tasks=[quiz()])
    reasons = {x.name: x.reason for x in plan.left_out}
    assert reasons["majority-vote"] == "it reads texts, and only scores were recorded"
    assert {"best-on-dev", "oracle"} <= {r.name for r in plan.runs}


def test_a_pool_of_nobody_and_an_experiment_of_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="pool: no members"):
        make_plan(experiment("majority-vote"), pool=[], tasks=[quiz()])
    with pytest.raises(ConfigError, match="pool: two members are called 'low'"):
        make_plan(experiment("majority-vote"), pool=[knower("low", .1), knower("low", .2)], tasks=[quiz()])
