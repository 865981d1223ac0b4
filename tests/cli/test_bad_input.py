"""Bad input at the front door: one line that says what would do, exit 2, and nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
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
    (VOTE + "roles: {verifer: ann}\n", "roles: no method has the role 'verifer'. Did you mean 'verifier'"),
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


FULL_DISK = """
import resource, signal, sys
from consilience.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
main()
"""


def on_a_full_disk(room: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line in a process that may write no file beyond `room` bytes."""
    return subprocess.run([sys.executable, "-c", FULL_DISK, str(room), *map(str, arguments)], capture_output=True, text=True,
                          timeout=120)


def test_no_disk_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text("".join(f'{{"question": "{i} + 1?", "reference": "{i + 1}"}}\n' for i in range(60)))
    with faulty(chat("7 " + "blah " * 400)) as server:
        (tmp_path / "e.yaml").write_text(f"tasks: [./q.jsonl]\nmethods: []\npool: [{spec('x', server, max_concurrency=2)}]\n")
        told = on_a_full_disk(150_000, "bench", tmp_path / "e.yaml", "--out", tmp_path / "out", "--store", tmp_path / "s.db")
        first = len(server.bodies)
        [line] = told.stderr.strip().splitlines()
        assert told.returncode == 2 and "make room and run the same command again" in line, told.stderr
        again = call("bench", tmp_path / "e.yaml", "--out", tmp_path / "out", "--store", tmp_path / "s.db")
        assert again.exit_code == 0, again.output
        assert 0 < first < 60 and len(server.bodies) <= 60 + 6, "no more than what was in flight is asked again"


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    recorded = f"recorded:{recording(tmp_path)}"
    (tmp_path / "t.yaml").write_text("method: knn-router\nmembers: ['recorded:./sums.jsonl']\n")
    nowhere = tmp_path / "t.yaml" / "x"
    for arguments in (["bench", experiment(tmp_path), "--out", nowhere],
                      ["bench", experiment(tmp_path), "--out", tmp_path / "out", "--store", nowhere],
                      ["fit", tmp_path / "t.yaml", "--task", recorded, "--store", nowhere / "s.db"],
                      ["fit", tmp_path / "t.yaml", "--task", recorded, "--store", tmp_path / "s.db", "--out", nowhere],
                      ["record", f"{recorded}#ann", "--task", recorded, "--out", nowhere / "r.jsonl"]):
        assert str(tmp_path / "t.yaml") in refused(*arguments)


@pytest.mark.parametrize(("name", "text", "message"), [
    ("experiment.yaml", "null\n", "names no experiment"), ("run.json", "[]", "is not the record of a run"),
    ("questions.jsonl", "garbage\n", "a line that a benchmark did not write"),
    ("results.jsonl", "garbage\n", "line 1 is not a result row"), ("results.jsonl", "\udcff\n", "line 1 is not a result row"),
])
def test_damaged_results(tmp_path: Path, name: str, text: str, message: str) -> None:
    call("bench", experiment(tmp_path, "[]"), "--out", tmp_path / "out")
    (tmp_path / "out" / name).write_bytes(text.encode(errors="surrogateescape"))
    assert message in refused("report", tmp_path / "out")


@pytest.mark.parametrize(("line", "message"), [
    ('{"question": "2?", ', "line 2 is not JSON"), ("[" * 100_000, "line 2 is not JSON"),
    ('{"question": {"a": 1}, "reference": "1"}', "line 2: the question must be a text, found a dict"),
    ('{"question": "2?", "options": 5, "reference": "A"}', "line 2: the options must be a list of texts, found 5"),
    ('{"question": "2?", "reference": "2", "splt": "dev"}', "line 2: unknown field 'splt'. Did you mean 'split'?"),
    ('{"question": "2?", "reference": "2", "split": "dev"}', "the test split of q "),
])
def test_a_broken_line_of_a_task_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "q.jsonl").write_text('{"question": "1?", "reference": "1", "split": "dev"}\n' + line + "\n")
    (tmp_path / "e.yaml").write_text("pool: ['openai:x@http://127.0.0.1:9/v1']\ntasks: [./q.jsonl]\nmethods: []\n")
    assert message in refused("bench", tmp_path / "e.yaml", "--out", tmp_path / "out")


@pytest.mark.parametrize(("name", "text", "message"), [
    ("r.jsonl.gz", '{"dataset": "a", "id": 1, "model": "m"}\n', "cannot be unpacked: Not a gzipped file"),
    ("r.jsonl", '{"dataset": "a", "id": 1, "model": "m", "response": 5}\n', "line 1 is not a recorded answer: a response is"),
    ("r.jsonl", '{"dataset": "a", "id": 1, "model": "m", "cost_usd": "x"}\n', "scores and cost_usd are numbers, found 'x'"),
    ("r.jsonl", "[" * 100_000, "line 1 is not a recorded answer"), ("r.jsonl", "", "holds no recorded answers"),
])
def test_recordings_that_are_none(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    assert message in refused("pool", f"recorded:{tmp_path / name}")
    assert "Is a directory" in refused("pool", f"recorded:{tmp_path}")


def test_a_team_that_holds_itself(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a"), ("c", "c")):
        (tmp_path / f"{name}.yaml").write_text(f"method: majority-vote\nmembers: [./{other}.yaml]\n")
    assert "is a member of itself: a.yaml > b.yaml > a.yaml" in refused("ask", tmp_path / "a.yaml", "?")
    assert "is a member of itself: c.yaml > c.yaml" in refused("ask", tmp_path / "c.yaml", "?")


@pytest.mark.parametrize("question", ["", "  "])
def test_an_empty_question(question: str) -> None:
    assert "the question is empty" in refused("ask", "openai:x@http://127.0.0.1:9/v1", question)


def test_a_fitted_team_whose_member_changed(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("method: knn-router\nmembers: ['recorded:./sums.jsonl']\n")
    path = recording(tmp_path)
    call("fit", tmp_path / "t.yaml", "--task", f"recorded:{path}", "--store", tmp_path / "s.db")
    with path.open("a") as file:
        file.write('{"dataset": "sums", "id": "x", "model": "ann", "prompt": "more", "response": "1"}\n')
    asked = ("ask", tmp_path / "t-fitted", "What is 5 + 6?", "--format", "number")
    assert "ann had the fingerprint" in refused(*asked)
    assert call(*asked, "--allow-changes").exit_code == 0
    (tmp_path / "t-fitted" / "learned.json").write_text("{}")
    assert "what the team learned lacks" in refused(*asked, "--allow-changes")
