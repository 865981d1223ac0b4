"""Data sets written by the `datasets` library."""

from pathlib import Path
from typing import Any

import pytest

from consilience.errors import TaskError
from consilience.reading import Choice
from consilience.tasks import task

datasets = pytest.importorskip("datasets", reason="the extra [hub] is not installed")


def sums(n: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"question": f"{i} + 1?", "answer": f"one more\n#### {i + 1}"} for i in range(start, start + n)]


def saved(path: Path, **splits: list[dict[str, Any]]) -> str:
    datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name, rows in splits.items()}).save_to_disk(str(path))
    return f"hub:{path}"


def test_train_and_test(tmp_path: Path) -> None:
    made = task(saved(tmp_path / "sums", train=sums(5), test=sums(3, 50)))
    assert (len(made.dev), len(made.test)) == (5, 3) and made.name == "sums" and made.formats == ("number/1",)
    assert made.test[0].references == ("51",) and made.test[0].solution == "one more"


def test_validation_is_dev_where_there_is_a_test(tmp_path: Path) -> None:
    made = task(saved(tmp_path / "d", train=sums(5), validation=sums(4, 20), test=sums(3, 50)))
    assert (len(made.dev), len(made.test)) == (4, 3)
    made = task(saved(tmp_path / "e", train=sums(5), validation=sums(4, 20)))
    assert (len(made.dev), len(made.test)) == (5, 4)


def test_one_split_is_divided(tmp_path: Path) -> None:
    datasets.Dataset.from_list(sums(40)).save_to_disk(str(tmp_path / "one"))
    made = task(f"hub:{tmp_path / 'one'}")
    assert len(made.dev) + len(made.test) == 40


def test_choices_in_the_usual_shapes(tmp_path: Path) -> None:
    mmlu = [{"question": f"Which {i}?", "choices": ["red", "blue", "green"], "answer": 2} for i in range(2)]
    arc = [{"question": f"Which {i}?", "choices": {"text": ["red", "blue"], "label": ["1", "2"]}, "answerKey": "2"} for i in range(2)]
    for name, rows, letter in (("mmlu", mmlu, "C"), ("arc", arc, "B")):
        made = task(saved(tmp_path / name, train=rows[:1], test=rows[1:]))
        assert made.test[0].references == (letter,) and isinstance(made.test[0].request.format, Choice)


def test_class_labels_are_read_by_name(tmp_path: Path) -> None:
    features = datasets.Features({"question": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = [{"question": f"Is it {i}?", "label": i % 2} for i in range(24)]
    datasets.Dataset.from_list(rows, features=features).save_to_disk(str(tmp_path / "labels"))
    assert task(f"hub:{tmp_path / 'labels'}").formats == ("exact-no|yes/1",)


def test_named_columns_and_errors(tmp_path: Path) -> None:
    spec = saved(tmp_path / "odd", train=[{"frage": "1?", "antwort": "1"}], test=[{"frage": "2?", "antwort": "2"}])
    assert len(task(spec, columns={"question": "frage", "references": "antwort"}).test) == 1
    with pytest.raises(TaskError, match="no question"):
        task(spec)
    with pytest.raises(TaskError, match="has the splits"):
        task(saved(tmp_path / "s", one=sums(1), two=sums(1, 5)))


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot be loaded"):
        task(f"hub:{tmp_path}")
