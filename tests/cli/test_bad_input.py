"""Bad input at the front door: one line that says what would do, exit 2, and nothing lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.scene import call, experiment, recording
from tests.models.faults import Faulty, chat, error, faulty

POOL = "pool: ['recorded:./sums.jsonl']\ntasks: ['recorded:./sums.jsonl']\n"
VOTE = POOL + "methods: [majority-vote]\n"
BOMB = "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


def refused(*arguments: object) -> str:
    """The one line of a refusal."""
    result = call(*arguments)
    assert result.exit_code == 2 and "Traceback" not in result.output, result.output
    [line] = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(("text", "message"), [
    ("pool:\t[a]\n", "is not YAML"), ("- a\n", "an experiment is a mapping"), ("", "got NoneType"),
    ("pool: 2024-13-45\n", "is not YAML"), ("pool: \"\x00\"", "is not YAML"), ("[" * 5000, "is not YAML"),
    ("a: &a [x, x, x, x, x, x, x, x, x]\n" + BOMB + "pool: *i\ntasks: x\n", "values, anchors written out"),
    ("pool: &a [*a]\ntasks: x\n", "does one hold itself?"),
    (VOTE + "limit: '5'\n", "limit: expected a whole number of at least 1, got '5'"),
    (VOTE + "sampling: {max_tokens: -5}\n", "max_tokens >= 1"), (VOTE + "sampling: {top_p: 7}\n", "0 < top_p <= 1"),
    (POOL + "methods: [{majority-vote: {draws: 0}}]\n", "majority-vote: draws must be at least 1, got 0"),
    (POOL + "methods: [{cascade: {quantile: 7}}]\n", "cascade: quantile must be between 0 and 1, got 7"),
    (POOL + "methods: [{majority-vote: {draw: 3}}]\n", "Did you mean 'draws'?"),
    (POOL + "methods: [{majority-vote: [draws]}]\n", "the options of 'majority-vote' are a mapping"),
    (POOL + "methods: [{majority-vote: {members: [an]}}]\n", "Did you mean 'ann'?"),
    (POOL + "methods: [logit-fusion]\n", "ann does not offer NextTokens (it offers: text only)"),
    (POOL.replace("./sums", "./sum") + "methods: [majority-vote]\n", "No such file"),
    ("pool: ['recorded:./sums.jsonl']\ntasks: [nursry]\n", "Did you mean 'nursery'?"),
    (POOL.replace("[", "['recorded:./sums.jsonl#ann', ", 1), "two members are called 'ann'; name each once"),
    (POOL + "methods: [{majority-vote: {as: ann}}]\n", "give it another with `as`"),
])
def test_wrong_experiments(tmp_path: Path, text: str, message: str) -> None:
    recording(tmp_path)
    (tmp_path / "e.yaml").write_text(text)
    assert message in refused("bench", tmp_path / "e.yaml", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_methods_on_the_command_line(tmp_path: Path) -> None:
    assert "--methods names none" in refused("bench", experiment(tmp_path), "--methods", ",")


def test_the_folder_of_another_experiment_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert call("bench", experiment(tmp_path), "--out", out).exit_code == 0
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    (tmp_path / "other.yaml").write_text(POOL + "methods: []\n")
    assert "holds the results of the experiment 'sums', this one is 'other'" in refused(
        "bench", tmp_path / "other.yaml", "--out", out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kept


@pytest.mark.parametrize(("name", "text"), [("experiment.yaml", VOTE), ("results.jsonl", '{"mine": 1}')])
def test_files_of_the_user_are_not_written_over(tmp_path: Path, name: str, text: str) -> None:
    path = experiment(tmp_path)
    (tmp_path / name).write_text(text)
    assert "that no benchmark left" in refused("bench", path, "--out", tmp_path)
    assert (tmp_path / name).read_text() == text


def spec(name: str, server: Faulty, **options: object) -> str:
    """A member behind a server."""
    return json.dumps({"model": f"openai:{name}@{server.url}", "attempts": 2, **options})


def questions(folder: Path) -> str:
    """A task of three test questions, to stand in an experiment."""
    (folder / "q.jsonl").write_text("".join(f'{{"question": "{i} + 1?", "reference": "{i + 1}", "split": "{split}"}}\n'
                                            for i, split in enumerate(["dev", "test"] * 3)))
    return "tasks: [./q.jsonl]\n"


def test_two_members_down_are_absent_and_named(tmp_path: Path) -> None:
    with faulty(chat("2")) as good, faulty(error(401, "bad key")) as locked, faulty(
            error(429, "slow", retry_after="0.01")) as slow:
        (tmp_path / "e.yaml").write_text(questions(tmp_path) + f"pool: [{spec('good', good)}, {spec('locked', locked)}, "
                                         f"{spec('slow', slow)}]\nmethods: [majority-vote]\n")
        result = call("bench", tmp_path / "e.yaml", "--out", tmp_path / "out", "--json")
        shown = call("bench", tmp_path / "e.yaml", "--out", tmp_path / "out")
    assert result.exit_code == shown.exit_code == 0, result.output
    lines = {line["method"]: line for line in json.loads(result.stdout)}
    assert [lines[n]["unanswered"] for n in ("good", "locked", "slow", "majority-vote")] == [0, 3, 3, 0]
    assert "locked did not answer 3 of 3 questions of q: locked answered 401: bad key; check the key" in shown.stderr
    assert "slow did not answer 3 of 3 questions of q: slow answered 429: slow" in shown.stderr


def test_nobody_answers_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with faulty(*[error(401, "bad key")] * 6, chat("2")) as server:
        (tmp_path / "e.yaml").write_text(questions(tmp_path) + f"pool: [{spec('a', server)}]\nmethods: []\n")
        result = call("bench", tmp_path / "e.yaml", "--out", tmp_path / "out")
        assert result.exit_code == 2 and "a did not answer 3 of 3" in result.stderr, result.output
        assert "error: nobody answered any question." in result.stderr and "--retry-failed" in result.stderr
        again = call("bench", tmp_path / "e.yaml", "--out", tmp_path / "out", "--retry-failed")
    assert again.exit_code == 0 and "did not answer" not in again.stderr, again.output


def test_an_empty_answer_is_said() -> None:
    with faulty(chat("")) as silent, faulty(chat("<think>hm", finish="length")) as thinking:
        assert "the answer is empty" in call("ask", f"openai:x@{silent.url}", "?").stderr
        assert "--max-tokens" in call("ask", f"openai:x@{thinking.url}", "?").stderr
