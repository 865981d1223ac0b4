"""The one door."""

from pathlib import Path

import pytest

from consilience.errors import TaskError
from consilience.reading import Exact
from consilience.tasks import task
from consilience.types import Sampling


@pytest.mark.parametrize(("spec", "message"), [
    ("nursry", "unknown task 'nursry'. Did you mean 'nursery'"), ("some/none.jsonl", "there is no task file some/none.jsonl"),
    ("recorded:none.jsonl", "there is no task file none.jsonl"), ("hub:./no/such/folder", "is no folder"),
    ("", "unknown task ''"), ("recorded:", "unknown task ''"), ("hub:", "names no data set"),
])
def test_unknown_specs(spec: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        task(spec)


def test_a_file_of_nearly_this_name(tmp_path: Path) -> None:
    (tmp_path / "gsm8k.jsonl").write_text("")
    with pytest.raises(TaskError, match="Did you mean 'gsm8k.jsonl'"):
        task(tmp_path / "gsm8.jsonl")


def test_options_reach_the_requests() -> None:
    made = task("nursery/arith", limit=3, form="answer", format="exact", sampling=Sampling(temperature=0), seed=5, name="mine")
    request = made.test[0].request
    assert (request.form, request.format, request.sampling.greedy, request.seed, made.name) == ("answer", Exact(), True, 5, "mine")


def test_also_from_the_front_door() -> None:
    import consilience

    assert consilience.task("nursery/arith", limit=2).test
