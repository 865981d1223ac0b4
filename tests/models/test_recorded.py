"""Recorded members give what was recorded and nothing else; recording writes what can be replayed."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from consilience.errors import ConfigError, ModelError, TeamError
from consilience.methods.text.majority_vote import MajorityVote
from consilience.model import powers_of
from consilience.models.recorded import Recorded, Recording, record, recorded_models
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Draws, Example, Message, Reply, Request, Scope
from tests.members import Scripted, down

DATA = Path(os.environ.get("CONSILIENCE_DATA", Path(__file__).parents[3] / "shared" / "data")) / "recorded"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded answers in {DATA}; set CONSILIENCE_DATA")

LINES: list[dict[str, Any]] = [
    {"dataset": "d", "id": 1, "prompt": "Which?\nA. x\nB. y", "model": "big", "response": "The answer is B.", "answer": "B",
     "score": 1.0, "cost_usd": 0.002, "duration_ms": 1500.0},
    {"dataset": "d", "id": 1, "prompt": "Which?\nA. x\nB. y", "model": "small", "answer": "A", "score": 0.0},
    {"dataset": "d", "id": 1, "prompt": "Which?\nA. x\nB. y", "model": "scored", "score": 0.5},
    {"dataset": "d", "id": 2, "prompt": "Other?", "model": "big", "response": "No idea"},
    {"dataset": "e", "id": 1, "prompt": "Third?", "model": "big", "response": "three"},
    {"dataset": "e", "id": 2, "prompt": "Twice?", "model": "big", "response": "first"},
    {"dataset": "e", "id": 3, "prompt": "Twice?", "model": "big", "response": "second"},
    {"dataset": "e", "id": 4, "model": "big", "response": "no prompt recorded"},
    {"dataset": "d", "id": 1, "prompt": "Which?\nA. x\nB. y", "model": "many", "variant": "cot", "responses": ["A", "B", "A"],
     "answers": ["A", "B", "A"], "sample_scores": [0.0, 1.0, 0.0], "score": 0.0},
    {"dataset": "d", "id": 2, "prompt": "Other?", "model": "small", "responses": ["one", "two", "three"],
     "answers": ["1", "3"], "sample_scores": [0.0, 1.0]},
    {"dataset": "d", "id": 2, "prompt": "Other?", "model": "many", "variant": "cot", "responses": ["A"], "answers": ["A"]},
    {"dataset": "d", "id": 1, "prompt": "Which?\nA. x\nB. y", "model": "many", "variant": "pot", "responses": ["B"],
     "answers": ["B"]},
]
WHICH = Request.of("Which?\nA. x\nB. y", form="answer", format=Choice(2))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in LINES).encode()))
    return path


def run(work: Any) -> Any:
    return asyncio.run(work)


def ask(file: Path, model: str, request: Request = WHICH, draws: Draws = Draws(), scope: Scope = Scope(),
        variant: str = "") -> list[Reply]:
    return run(Recorded(Recording.load(file), model, variant).generate(request, draws, scope))


def test_text_reading_score_cost_and_seconds(file: Path) -> None:
    [reply] = ask(file, "big")
    assert (reply.text, reply.reading, reply.score, reply.cost, reply.seconds) == ("The answer is B.", "B", 1.0, 0.002, 1.5)
    [reply] = ask(file, "small")
    assert (reply.text, reply.reading, reply.score, reply.cost) == ("A", "A", 0.0, None) and reply.note["answer_only"]
    [reply] = ask(file, "scored")
    assert (reply.text, reply.reading, reply.score) == (None, None, 0.5)


def test_questions_are_found_by_id_and_by_text(file: Path) -> None:
    for example, question, text in (("2", "Other?", "No idea"), ("d/2", "Other?", "No idea"), ("", "Other?", "No idea"),
                                    ("e/3", "Twice?", "second"), ("2", "Twice?", "first"), ("4", "whatever", "no prompt recorded"),
                                    ("1", "Third?", "three"), ("another id", " Third?\n", "three")):
        [reply] = ask(file, "big", Request.of(question), scope=Scope(example=example))
        assert reply.text == text


def test_what_was_not_recorded_is_named(file: Path) -> None:
    for question, scope, words in (("Fourth?", Scope(example="q7"), "'q7'.*Fourth?"), ("Fourth?", Scope(), "Fourth?"),
                                   ("Twice?", Scope(), "2 recorded questions")):
        with pytest.raises(ModelError, match=words) as caught:
            ask(file, "big", Request.of(question), scope=scope)
        assert caught.value.reason == "not-recorded" and not caught.value.transient
    with pytest.raises(ModelError, match="small has no recorded answer"):
        ask(file, "small", Request.of("Third?"))


def test_other_draws_forms_and_extras_are_refused(file: Path) -> None:
    refusals: list[tuple[Any, ...]] = [
        (WHICH, Draws(1, 1), Scope(), "draw 1"), (WHICH, Draws(1, 0, "side"), Scope(), "no further draws"),
        (WHICH.having(form="steps"), Draws(), Scope(), "prompt form 'steps'"),
        (WHICH.having(prefix="The"), Draws(), Scope(), "question alone"),
        (WHICH.having(messages=(Message("user", "a"), Message("assistant", "b"), *WHICH.messages)), Draws(), Scope(), "alone"),
        (WHICH, Draws(), Scope(extras=frozenset({"logprobs"})), "log-probabilities")]
    for request, draws, scope, words in refusals:
        with pytest.raises(TeamError, match=words):
            ask(file, "big", request, draws, scope)
    assert powers_of(Recorded(Recording.load(file), "big")) == frozenset()


def test_answers_that_belong_to_no_text_are_draws_without_text(file: Path) -> None:
    replies = ask(file, "small", Request.of("Other?"), Draws(2))
    assert [(r.text, r.score, r.note["answer_only"]) for r in replies] == [("1", 0.0, True), ("3", 1.0, True)]


def test_several_draws_and_variants(file: Path) -> None:
    replies = ask(file, "many", draws=Draws(2, 1), variant="cot")
    assert [(r.text, r.score, r.draw) for r in replies] == [("B", 1.0, 1), ("A", 0.0, 2)]
    assert [r.text for r in ask(file, "many", WHICH.sampled(temperature=0), Draws(3), variant="cot")] == ["A"] * 3
    assert ask(file, "many", scope=Scope(variant="pot"))[0].text == "B"
    with pytest.raises(TeamError, match="cot, pot"):
        ask(file, "many")
    with pytest.raises(TeamError, match="at most 3 for any"):
        ask(file, "many", draws=Draws(4), variant="cot")
    with pytest.raises(ModelError, match="1 are recorded for this"):      # other questions have more
        ask(file, "many", Request.of("Other?"), Draws(2), variant="cot")


def test_a_recording_as_a_pool(file: Path) -> None:
    names = [m.card.name for m in recorded_models(file)]
    assert names == ["big", "small", "scored", "many@cot", "many@pot"]
    assert len({m.card.fingerprint for m in recorded_models(file)}) == 5
    assert recorded_models(file)[0].recording is recorded_models(file)[1].recording is Recording.load(file)


def test_recorded_members_vote(file: Path) -> None:
    pool = {m.card.name: m for m in recorded_models(file)}
    team = Team(MajorityVote(), [pool["big"], pool["small"], pool["many@pot"]])
    [reply] = run(team.generate(WHICH, scope=Scope(example="1")))
    assert reply.reading == "B"


def test_errors_of_files_name_the_line(tmp_path: Path) -> None:
    for text, words in (('{"dataset": "d", "id": 1, "model": "m"}\n{"dataset": ', "line 2"),
                        ('\n{"dataset": "d", "model": "m"}\n', "line 2.*'?id"), ("[1]\n", "line 1"), ("", "holds no")):
        path = tmp_path / f"{abs(hash(text))}.jsonl"
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            Recording.load(path)
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"{}" * 1000)[:-20])
    with pytest.raises(ConfigError, match="cannot be unpacked"):
        Recording.load(tmp_path / "cut.jsonl.gz")
    with pytest.raises(ConfigError, match="No such file"):
        Recording.load(tmp_path / "none.jsonl")


def test_null_is_as_good_as_absent(tmp_path: Path) -> None:
    names = ("prompt", "variant", "response", "responses", "answer", "answers", "score", "sample_scores", "cost_usd",
             "duration_ms", "prompt_tokens", "completion_tokens", "options")
    found = []
    for n, line in enumerate(LINES):
        (bare := tmp_path / f"bare-{n}.jsonl").write_text(json.dumps(line))
        (null := tmp_path / f"null-{n}.jsonl").write_text(json.dumps(dict.fromkeys(names) | line))
        found.append([(r.prompts, r.by_id, r.by_prompt, r.models) for r in map(Recording.load, (bare, null))])
    assert all(bare == null for bare, null in found)
    (file := tmp_path / "lost.jsonl").write_text(json.dumps({**LINES[0], "id": None}))
    with pytest.raises(ConfigError, match="line 1: every line needs dataset, id and model; id is missing"):
        Recording.load(file)


def test_unknown_models_and_variants_are_suggested(file: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'small'"):
        Recorded(Recording.load(file), "smal")
    with pytest.raises(ConfigError, match="Did you mean 'cot'"):
        Recorded(Recording.load(file), "many", "cott")


EXAMPLES = [Example(f"q{i}", Request.of(f"Question {i}?", form="answer", format=Choice(3)), ("B",), task="t") for i in range(20)]


def test_what_is_recorded_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    model = Scripted("a", lambda request, draw: "ABC"[(len(request.question) + draw) % 3])
    assert run(record(model, EXAMPLES, path, draws=3)) == 20
    replay = Recorded(Recording.load(path), "a")
    for example in EXAMPLES:
        fresh = run(model.generate(example.request, Draws(3)))
        again = run(replay.generate(example.request, Draws(3), Scope(example=example.id)))
        assert [r.text for r in fresh] == [r.text for r in again]
        assert [r.score for r in again] == [float(r.text == "B") for r in fresh]
        assert again[0].seconds == 1.0 and again[0].usage.completion_tokens == 3


def test_more_draws_than_a_file_holds_need_another_file(tmp_path: Path) -> None:
    model, path = Scripted("poet", ["roses", "violets"]), tmp_path / "p.jsonl"
    assert run(record(model, EXAMPLES, path)) == 20
    with pytest.raises(ConfigError, match="holds 1 of the 3 draws of poet .* another file"):
        run(record(model, EXAMPLES, path, draws=3))
    assert run(record(model, EXAMPLES, tmp_path / "q.jsonl", draws=3)) == 20
    assert run(record(model, EXAMPLES, tmp_path / "q.jsonl", draws=2)) == 0


def test_recording_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    model = Scripted("a", ["B"])
    assert run(record(model, EXAMPLES[:8], path)) == 8
    before = path.read_text()
    path.write_text(before + '{"dataset": "t", "id": "q8", "mod')      # cut by a crash
    assert run(record(model, EXAMPLES, path)) == 12 and path.read_text().startswith(before)
    assert run(record(model, EXAMPLES, path)) == 0 and len(model.asked) == 20
    assert run(record(Scripted("b", ["A"]), EXAMPLES, path)) == 20
    assert len(Recording.load(path).models) == 2 and all(len(m) == 20 for m in Recording.load(path).models.values())


def test_questions_that_fail_are_left_for_the_next_time(tmp_path: Path) -> None:
    failing = Scripted("a", lambda request, draw: ModelError("down") if "7" in request.question else "B")
    assert run(record(failing, EXAMPLES, tmp_path / "out.jsonl")) == 18
    assert run(record(Scripted("a", ["B"]), EXAMPLES, tmp_path / "out.jsonl")) == 2
    with pytest.raises(ModelError, match="is down"):
        run(record(down("x"), EXAMPLES, tmp_path / "other.jsonl"))
    with pytest.raises(ConfigError, match="jsonl"):
        run(record(failing, EXAMPLES, tmp_path / "out.jsonl.gz"))
    (tmp_path / "notes.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(ConfigError, match="another file"):
        run(record(failing, EXAMPLES, tmp_path / "notes.jsonl"))


@needs_data
def test_a_large_file_loads_in_seconds_and_once() -> None:
    began = time.process_time()
    pool = recorded_models(DATA / "mmlu_pro_even_categories.jsonl.gz")
    assert time.process_time() - began < 15 and len(pool) == 18
    began = time.process_time()
    recorded_models(DATA / "mmlu_pro_even_categories.jsonl.gz")
    assert time.process_time() - began < 0.5
    assert sum(len(lines) for lines in pool[0].recording.models.values()) == 123_007


@needs_data
@pytest.mark.parametrize("name", ["zeroeval_gsm8k_half", "routellm_mmlu_even", "mot_cascade_date_gsm_half"])
def test_every_recorded_line_is_given_back(name: str) -> None:
    """By example id, compared with a plain reading of the file."""
    pool = {(m.model, m.variant): m for m in recorded_models(DATA / f"{name}.jsonl.gz")}

    async def work() -> int:
        given = 0
        for raw in gzip.open(DATA / f"{name}.jsonl.gz", "rt"):
            line = json.loads(raw)
            model = pool[line["model"], line.get("variant", "")]
            texts, answers = line.get("responses", [line.get("response")]), line.get("answers", [line.get("answer")])
            texts = texts if len(texts) == len(answers) or not answers else answers
            if not texts:
                continue
            replies = await model.generate(Request.of(line["prompt"]), Draws(len(texts)),
                                           Scope(example=f"{line['dataset']}/{line['id']}"))
            assert [r.text for r in replies] == [a if t is None else t for t, a in zip(texts, answers or texts, strict=True)]
            scores = line.get("sample_scores", [line["score"]])
            assert [r.score for r in replies] == (scores or [None] * len(texts))
            given += 1
        return given

    assert run(work()) > 8000
