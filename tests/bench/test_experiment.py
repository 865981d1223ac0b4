"""Experiments: strict, with hints, and relative to their file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from consilience.bench import Entry, load, parse
from consilience.errors import ConfigError


def test_a_short_experiment_has_sensible_defaults() -> None:
    found = parse({"pool": "nursery", "tasks": "nursery", "methods": "all"}, name="main")
    assert (found.name, found.pool, found.tasks, found.methods) == ("main", ("nursery",), ("nursery",), None)
    assert found.controls and found.seed == 0 and found.limit is None and found.dev == 200 and found.budget is None


def test_methods_with_options_members_roles_and_labels() -> None:
    found = parse({"pool": ["nursery", {"majority-vote": {"members": ["a", "b"], "as": "pair"}}], "tasks": ["nursery"],
                   "roles": {"verifier": "nursery/verifier"},
                   "methods": ["majority-vote", {"majority-vote": {"draws": 3}}, {"cascade": {"roles": {"judge": "a"}}}]})
    assert found.pool[1] == Entry("majority-vote", members=("a", "b"), label="pair")
    assert found.methods is not None
    assert [e.name for e in found.methods] == ["majority-vote", "majority-vote (draws=3)", "cascade"]
    assert found.methods[2].roles == {"judge": ("a",)} and found.roles == {"verifier": ("nursery/verifier",)}


@pytest.mark.parametrize(("changes", "message"), [
    ({"metods": ["x"]}, "unknown key 'metods'. Did you mean 'methods'"),
    ({"sampling": {"temprature": 1}}, "unknown key sampling.temprature. Did you mean 'temperature'"),
    ({"sampling": {"temperature": "hot"}}, "sampling.temperature"),
    ({"limit": 0}, "limit: expected a whole number of at least 1, got 0"),
    ({"limit": True}, "limit: expected a whole number"),
    ({"controls": "no"}, "controls: expected true or false"),
    ({"pool": []}, "names no pool"),
    ({"tasks": [{"name": "x"}]}, "expected a task's name"),
    ({"tasks": [{"task": "x", "colums": {}}]}, "unknown option 'colums'. Did you mean 'columns'"),
    ({"tasks": [{"task": "x", "columns": 5}]}, "tasks: columns is a mapping such as {question: prompt}, got 5"),
    ({"tasks": [{"task": "x", "dev_share": "half"}]}, "tasks: dev_share is a number between 0 and 1, got 'half'"),
    ({"tasks": [{"task": "x", "name": 5}]}, "tasks: name is a text, got 5"),
    ({"methods": [{"vote": {}, "cascade": {}}]}, "expected a name, or a name with options"),
    ({"methods": [{"majority-vote": None, "draws": 3}]}, "Options stand below the name, further in"),
    ({"methods": ["majority-vote", "majority-vote"]}, "two entries are called 'majority-vote'"),
    ({"budget": 0}, "budget: expected US dollars for one question, above 0, got 0"),
    ({"budget": "1 cent"}, "budget: expected US dollars"),
    ({"form": "haiku"}, "form: expected answer or steps"),
    ({"pool": [7]}, "pool: expected a model or a team, got 7"),
    ({"name": ""}, "name: expected a text, got ''"),
    ({"sampling": "hot"}, "sampling: expected a mapping such as {temperature: 0.7}, got 'hot'"),
    ({"roles": ["verifier"]}, "roles: expected a mapping from role to model, got ['verifier']"),
    ({"methods": [{"cascade": ["price"]}]}, "methods: the options of 'cascade' are a mapping, got ['price']"),
    ({"methods": [{"cascade": {"roles": "a"}}]}, "methods.cascade.roles: expected a mapping from role to model, got 'a'"),
    ({"budget": float("inf")}, "budget: expected US dollars"),
    ({"tasks": [5]}, "tasks: expected a task's name"),
])
def test_wrong_keys_and_values_say_what_would_do(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"pool": "nursery", "tasks": "nursery"} | changes)
    assert message in str(caught.value)


def test_files_lie_beside_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "quiz.jsonl").write_text("")
    (tmp_path / "team.yaml").write_text("method: majority-vote\nmembers: nursery\n")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"pool": "nursery", "tasks": "quiz.jsonl", "methods": ["team.yaml"]}))
    found = load(tmp_path / "mine.yaml", limit=7, seed=3)
    assert found.tasks == (str(tmp_path / "quiz.jsonl"),) and (found.limit, found.seed) == (7, 3)
    assert found.methods is not None and found.methods[0].saved == tmp_path


def test_a_saved_team_brings_its_own_options(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text("method: majority-vote\nmembers: nursery\n")
    base = {"pool": "nursery", "tasks": "nursery"}
    named = parse({**base, "methods": [{"team.yaml": {"as": "mine"}}]}, folder=tmp_path)
    assert named.methods == (Entry(saved=tmp_path, label="mine"),)
    for more in ({"draws": 3}, {"members": "nursery"}, {"roles": {"judge": "a"}}):
        with pytest.raises(ConfigError, match="the saved team team.yaml brings its own options and members; only `as` can be given"):
            parse({**base, "methods": [{"team.yaml": more}]}, folder=tmp_path)


def test_a_method_of_ones_own_lies_beside_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    found = parse({"pool": "nursery", "tasks": "nursery", "methods": ["mine.py:Mine", "gone.py:Other"]}, folder=tmp_path)
    assert [e.method for e in found.methods or ()] == [f"{tmp_path / 'mine.py'}:Mine", "gone.py:Other"]


def test_only_some_methods(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("pool: nursery\ntasks: nursery\nmethods: [cascade, {majority-vote: {as: vote}}]\n")
    assert [e.name for e in load(file, methods=["vote"]).methods or ()] == ["vote"]
    with pytest.raises(ConfigError, match="no method 'vot'.*Did you mean 'vote'"):
        load(file, methods=["vot"])


@pytest.mark.parametrize(("text", "message"), [("pool: [", "is not YAML"), ("- a", "an experiment is a mapping")])
def test_broken_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=f"x.yaml.*{message}"):
        load(tmp_path / "x.yaml")
    with pytest.raises(ConfigError, match="nowhere.yaml cannot be read"):
        load(tmp_path / "nowhere.yaml")


def test_a_space_after_the_colon_of_a_model_is_named() -> None:
    with pytest.raises(ConfigError, match="options of 'hf' are a mapping, got 'a/b'.*without a space.*'hf:a/b'"):
        parse({"pool": [{"hf": "a/b"}], "tasks": ["nursery"]})


def test_what_is_resolved_parses_to_the_same_experiment() -> None:
    first = parse({"pool": ["nursery", {"model": "openai:x", "price": [1, 2]}], "tasks": ["nursery", {"task": "q", "form": "steps"}],
                   "methods": ["best-on-dev", {"majority-vote": {"draws": 3, "as": "vote of 3"}},
                               {"cascade": {"members": ["a", {"majority-vote": {"members": ["b"]}}], "roles": {"verifier": ["v"]}}}],
                   "roles": {"judge": {"majority-vote": {"roles": {"x": "y"}}}}, "sampling": {"top_k": 5}})
    again = parse(json.loads(json.dumps(first.resolved())))
    assert again == first
