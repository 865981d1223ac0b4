"""Members by name."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from consilience import saved
from consilience.errors import ConfigError
from consilience.methods.text.majority_vote import MajorityVote
from consilience.model import NextTokens, Price, Weights
from consilience.models.resolve import model, pool
from consilience.reading import Choice
from consilience.store import Store
from consilience.team import Team
from consilience.types import Draws, Request, Sampling, Wording
from tests.models.faults import chat, error, faulty

LOCAL = "openai:m@http://127.0.0.1:1/v1"
ASK = Request.of("Which?", form="answer", format=Choice(3), sampling=Sampling(max_tokens=8))


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 60))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "r.jsonl"
    lines = [{"dataset": "d", "id": 1, "prompt": "Which?", "model": name, "variant": variant, "response": answer}
             for name, variant, answer in (("a", "", "A"), ("b", "", "B"), ("org/c@2", "", "B"), ("v", "x", "C"), ("v", "y", "A"))]
    path.write_text("".join(json.dumps({k: v for k, v in line.items() if v != ""}) + "\n" for line in lines))
    return path


def test_endpoints() -> None:
    card = model(LOCAL).card
    assert (card.name, card.spec, card.price) == ("m", LOCAL, None)
    made = model({"model": LOCAL, "name": "mine", "price": [0.5, 1.5], "description": "a model", "dialect": "vllm",
                  "context": 4096, "max_concurrency": 3, "forms": {"answer": "Q: {question}"}})
    card = made.card
    assert (card.name, card.price, card.description, card.context) == ("mine", Price(0.5, 1.5), "a model", 4096)
    assert card.forms["answer"].text == "Q: {question}" and "top_k" in card.settings
    assert model(card.spec).card == card


def test_openai_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert model("openai:gpt-4o-mini").card.spec == "openai:gpt-4o-mini"
    assert model("openai:org/model@2024").card.name == "org/model@2024"
    assert model("openai:org/model@2024@http://127.0.0.1:9/v1").card.spec == "openai:org/model@2024@http://127.0.0.1:9/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert model("openai:m").card.spec == "openai:m@http://127.0.0.1:9/v1"


def test_standard_dress(tmp_path: Path) -> None:
    with faulty(error(503, retry_after_ms="10"), chat("A"), chat("B", wait=0.25)) as server, Store(tmp_path / "a.db") as store:
        made = model({"model": f"openai:m@{server.url}", "max_concurrency": 2}, store=store)
        for _ in range(2):
            [reply] = run(made.generate(ASK))
            assert reply.text == "A"
        assert len(server.bodies) == 2 and store.count() == 1       # one retry, then kept
        run(made.generate(ASK, Draws(6)))
        assert server.most_busy == 2 and store.count() == 6


def test_equal_specs_share_their_limits() -> None:
    with faulty(chat("A", wait=0.1)) as server:
        spec = {"model": f"openai:m@{server.url}", "max_concurrency": 1}
        team = Team(MajorityVote(stop="never"), pool([spec, spec, spec]))
        run(team.generate(ASK))
        assert server.most_busy == 1 and len({body["seed"] for body in server.bodies}) == 3


def test_values_made_in_python_are_as_good_as_texts() -> None:
    made = model({"model": LOCAL, "price": Price(0.5, 1.5), "forms": {"answer": Wording("Q: {question}"), "fuse": Wording("{candidates}", "- {text}")}})
    assert made.card.price == Price(0.5, 1.5) and made.card.forms["fuse"].item == "- {text}"
    again = model(made.card.spec)
    assert again.card == made.card and json.loads(made.card.spec)["forms"]["answer"]["text"] == "Q: {question}"


def test_null_roles_are_none() -> None:
    assert model({"method": "majority-vote", "members": [LOCAL], "roles": None}).card.name == "majority-vote"


def test_recordings(recording: Path) -> None:
    file = f"recorded:{recording}"
    assert [m.card.name for m in pool(file)] == ["a", "b", "org/c@2", "v@x", "v@y"]
    assert [m.card.name for m in pool("recorded:r.jsonl", folder=recording.parent)][0] == "a"
    for spec, name in ((f"{file}#a", "a"), (f"{file}#org/c@2", "org/c@2"), (f"{file}#v@y", "v@y"),
                       ({"model": f"{file}#v", "variant": "x", "name": "vx", "price": [1, 2]}, "vx")):
        made = model(spec)  # type: ignore[arg-type]
        assert made.card.name == name and model(made.card.spec).card == made.card
        assert run(made.generate(ASK))[0].text


def test_teams_in_place_and_saved(recording: Path, tmp_path: Path) -> None:
    spec = {"method": "majority-vote", "name": "inner", "options": {"draws": 1},
            "members": [f"recorded:{recording}#a", {"model": f"recorded:{recording}#b", "price": [1, 1]}, "recorded:r.jsonl#v@x"]}
    team = model(spec, folder=tmp_path)
    assert team.card.name == "inner" and run(team.generate(ASK))[0].reading in "ABC"
    outer = Team(MajorityVote(), [team, model(f"recorded:{recording}#v@y")])
    saved.save(outer, tmp_path / "outer")
    for text in (str(tmp_path / "outer"), str(tmp_path / "outer" / "team.yaml")):
        again = model(text)
        assert again.card.fingerprint == outer.card.fingerprint
    assert model("outer", folder=tmp_path).card.fingerprint == outer.card.fingerprint
    assert [m.card.name for m in pool([spec, f"recorded:{recording}#a"], folder=tmp_path)] == ["inner", "a"]


def test_checkpoints(tmp_path: Path) -> None:
    from consilience.models.local import LocalHost
    from tests.models.local.tiny import checkpoint

    checkpoint(tmp_path / "tiny")
    with Store(tmp_path / "a.db") as store:
        host = LocalHost(memory=1 << 28)
        made = model("hf:./tiny", store=store, host=host, folder=tmp_path)
        assert (made.card.name, made.card.spec) == ("tiny", f"hf:{tmp_path / 'tiny'}")
        replies = run(made.generate(ASK, Draws(3)))
        assert len({r.text for r in replies}) == 3 == store.count() and made.power(NextTokens) is not None
        child = made.power(Weights).sibling(tmp_path / "tiny", "child")  # type: ignore[union-attr]
        run(child.generate(ASK.having(seed=3)))
        assert store.count() == 4
        priced = model({"model": "hf:./tiny", "price": [1, 2], "name": "x"}, host=host, folder=tmp_path)
        assert priced.card.price == Price(1, 2) and priced.card.fingerprint == made.card.fingerprint
        assert model(priced.card.spec, host=host).card == priced.card


@pytest.mark.parametrize(("spec", "words"), [
    ("gpt-4o-mini", "begins with nursery, hf:, openai:, recorded:"),
    ("nursry", "Did you mean 'nursery'"),
    ("opnai:x", "Did you mean 'openai'"),
    ("openai:x@localhost:8000", "whole URL, openai:x@http://localhost:8000/v1"),
    ("openai:org/x@10.0.0.2:80/api", "whole URL, openai:org/x@http://10.0.0.2:80/api"),
    ("hf:./nowhere", "no folder"),
    ("recorded:nowhere.jsonl", "No such file"),
    ({"modle": "x"}, "`model` or `method`"),
    ({"model": 3}, "`model` or `method`"),
    ({"model": LOCAL, "prise": [1, 2]}, "Did you mean 'price'"),
    ({"model": LOCAL, "price": 3}, "price is"),
    ({"model": LOCAL, "price": ["a", "b"]}, "price is"),
    ({"model": LOCAL, "price": [-1, 1]}, "price is"),
    ({"model": LOCAL, "price": [float("nan"), 1]}, "price is"),
    ("openai:", "names no model"),
    ("openai:@http://localhost:8000/v1", "names no model"),
    ({"model": LOCAL, "timeout": "soon"}, "timeout must be a number above 0, got 'soon'"),
    ({"model": LOCAL, "attempts": 0}, "attempts must be a whole number of at least 1, got 0"),
    ({"model": LOCAL, "max_concurrency": "4"}, "max_concurrency must be a whole number"),
    ({"model": LOCAL, "body": 5}, "body must be a mapping"), ({"model": LOCAL, "without": "seed"}, "without must be a list"),
    ({"model": LOCAL, "forms": {"answer": {"txt": "x"}}}, "forms.answer must be a text"),
    ({"model": LOCAL, "forms": {"answr": "{question}"}}, "no prompt form. Did you mean 'answer'"),
    ({"model": LOCAL, "base": "x"}, "unknown option 'base'"),
    ({"model": LOCAL, "dialect": "openia"}, "Did you mean 'openai'"),
    ({"method": "majority-vote", "members": [LOCAL], "optoins": {}}, "Did you mean 'options'"),
    ({"method": "majority-vot", "members": [LOCAL]}, "Did you mean 'majority-vote'"),
    ("{broken", "is not a member"),
    ({"method": "majority-vote", "members": [LOCAL], "roles": ["judge"]}, "roles"),
    ("majority-vote", "majority-vote is a method, no member"),
    ({"model": "team.yaml", "name": "x"}, "team.yaml is a saved team; its options stand in its own file"),
    ({"model": LOCAL, "forms": {"answer": 5}}, "forms.answer must be a text"),
])
def test_errors(spec: Any, words: str, tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(f"method: majority-vote\nmembers: [{LOCAL}]\n")
    with pytest.raises(ConfigError, match=words):
        model(spec, folder=tmp_path)


def test_errors_of_pools(recording: Path) -> None:
    file = f"recorded:{recording}"
    with pytest.raises(ConfigError, match="names 5 models"):
        model(file)
    with pytest.raises(ConfigError, match="empty"):
        pool([])
    with pytest.raises(ConfigError, match="both called|are called 'm'"):
        pool([LOCAL, {"model": LOCAL, "dialect": "vllm"}])
    with pytest.raises(ConfigError, match="several models"):
        pool({"model": file, "price": [1, 2]})
    assert len(pool([LOCAL, LOCAL])) == 2
