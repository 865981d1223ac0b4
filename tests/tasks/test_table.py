"""Tables of questions: our JSON lines, CSV, folders."""

import json
from pathlib import Path
from typing import Any

import pytest

from consilience.errors import TaskError
from consilience.reading import Choice, Exact, F1, Number
from consilience.tasks import Task, task
from consilience.types import Example


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def all_of(made: Task) -> dict[str, Example]:
    return {e.id: e for e in (*made.dev, *made.test)}


def test_our_lines(tmp_path: Path) -> None:
    made = task(write(tmp_path / "mine.jsonl", [
        {"id": "a", "question": "2 + 2?", "reference": 4, "split": "dev", "skill": "sums", "cluster": "c", "solution": "2 and 2"},
        {"id": "b", "question": "Which?", "reference": "blue", "options": ["red", "blue"], "split": "test"},
        {"id": "c", "question": "Who?", "references": ["Ann Lee", "A. Lee"], "format": "f1", "form": "steps", "split": "test"},
        {"id": "d", "question": "Sure?", "reference": "yes", "format": {"name": "exact", "among": ["yes", "no"]}, "split": "test"},
    ]))
    found = all_of(made)
    assert made.name == "mine" and made.dev[0].skill == "sums" and made.dev[0].cluster == "c" and made.dev[0].solution == "2 and 2"
    assert found["b"].request.format == Choice(2, ("red", "blue")) and found["b"].references == ("B",)
    assert found["b"].question == "Which?\nA) red\nB) blue"
    assert found["c"].request.format == F1() and found["c"].request.form == "steps" and found["c"].references == ("Ann Lee", "A. Lee")
    assert found["d"].request.format == Exact(("yes", "no"))


def test_formats_are_found_from_all_references(tmp_path: Path) -> None:
    made = task(write(tmp_path / "sums.jsonl", [{"question": f"{i} + 1?", "reference": str(i + 1)} for i in range(30)]))
    assert made.formats == ("number/1",) and made.test[0].request.form == "steps"


@pytest.mark.parametrize(("reference", "letter"), [("B", "B"), ("(B)", "B"), ("blue", "B"), (1, "B"), ("1", "B")])
def test_references_of_choices(tmp_path: Path, reference: object, letter: str) -> None:
    options: Any = {"0": "red", "1": "blue"} if reference == "1" else ["red", "blue"]
    rows = [{"question": f"Which {i}?", "reference": reference, "options": options, "split": s} for i, s in enumerate(("dev", "test"))]
    assert task(write(tmp_path / "c.jsonl", rows)).dev[0].references == (letter,)


@pytest.mark.parametrize(("row", "message"), [
    ({"question": "q?", "refrence": "4"}, "line 3: unknown field 'refrence'.* Did you mean 'reference'"),
    ({"question": "q?", "answer": "4"}, "unknown field 'answer'.* Did you mean 'reference'"),
    ({"prompt": "q?", "reference": "4"}, "unknown field 'prompt'.* Did you mean 'question'"),
    ({"reference": "4"}, "line 3: no question"), ({"question": "q?"}, "line 3: no reference"),
    ({"question": "q?", "reference": "4", "split": "tset"}, "line 3: unknown split 'tset'.* 'test'"),
    ({"question": "q?", "reference": "purple", "options": ["red", "blue"]}, "line 3: the reference 'purple' is none of the 2 options"),
    ({"question": "q?", "reference": "4", "format": "choise-4"}, "line 3: unknown answer format 'choise-4'.* 'choice'"),
    ({"question": "", "reference": "4"}, "line 3: the question is empty"),
    ({"question": "q?", "reference": {"a": 1}}, "line 3: a reference must be a text"),
    ({"question": "q?", "references": [["4"]]}, "line 3: a reference must be a text"),
    ({"question": "q?", "reference": "A", "options": ["red", None]}, "line 3: an option is null"),
    ({"question": "q?", "reference": True, "options": ["red", "blue"]}, "line 3: the reference 'True' is none of"),
    ({"question": "q?", "reference": "four", "format": "number"}, "line 3: the reference 'four' cannot be met.*number/1"),
    ({"question": "q?", "reference": "perhaps", "format": "yesno"}, "line 3: the reference 'perhaps' cannot be met.*yesno/1"),
    ({"question": "q?", "reference": "4", "format": 5}, "line 3: an answer format is a name"),
    ({"question": "q?", "reference": "4", "form": "rap"}, "line 3: the form is 'answer' or 'steps', got 'rap'"),
])
def test_a_wrong_line_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    good = [{"question": f"{s}?", "reference": "4", "split": s} for s in ("dev", "test")]
    with pytest.raises(TaskError, match=message):
        task(write(tmp_path / "mine.jsonl", [*good, row]))


def test_without_any_reference_nothing_is_scored(tmp_path: Path) -> None:
    made = task(write(tmp_path / "open.jsonl", [{"question": f"Write poem {i}."} for i in range(20)]))
    assert "references, which this data set does not give" in made.refusal


def test_csv_with_other_columns_and_names(tmp_path: Path) -> None:
    lines = "\n".join(f'"{i} plus 1?",{i + 1},x,topic' for i in range(20))
    (tmp_path / "sums.csv").write_text(f"prompt,answer,note,subject\n{lines}\n")
    made = task(tmp_path / "sums.csv")
    assert made.formats == ("number/1",) and made.skills == ("topic",)
    (tmp_path / "odd.csv").write_text("frage,antwort\n" + "\n".join(f"{i} plus 1?,{i + 1}" for i in range(20)))
    assert task(tmp_path / "odd.csv", columns={"question": "frage", "references": "antwort"}).formats == ("number/1",)
    with pytest.raises(TaskError, match="no question; the fields are .'antwort', 'frage'.*columns: {question: NAME, references: NAME}"):
        task(tmp_path / "odd.csv")
    with pytest.raises(TaskError, match="no column 'fragen' .* Did you mean 'frage'"):
        task(tmp_path / "odd.csv", columns={"question": "fragen"})
    with pytest.raises(TaskError, match="unknown field 'quesion'"):
        task(tmp_path / "odd.csv", columns={"quesion": "frage"})


def test_worked_solutions_and_listed_references(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps(
        [{"question": f"q{i}", "answer": f"{i} and 1 make\n#### {i + 1}", "split": s} for i, s in enumerate(("dev", "test"))]))
    made = task(tmp_path / "w.json")
    assert made.test[0].references == ("2",) and made.test[0].solution == "1 and 1 make" and made.formats == (Number().name,)
    (tmp_path / "l.csv").write_text('question,answers,split\nq1,"[""a"", ""b""]",dev\nq2,c,test\n')
    assert task(tmp_path / "l.csv").dev[0].references == ("a", "b")


def test_a_folder_of_two_files(tmp_path: Path) -> None:
    write(tmp_path / "dev.jsonl", [{"question": f"{i}?", "reference": "1"} for i in (1, 3)])
    with pytest.raises(TaskError, match="must hold one test.jsonl"):
        task(tmp_path)
    write(tmp_path / "test.jsonl", [{"question": "2?", "reference": "2"}, {"question": "1?", "reference": "1"}])
    made = task(tmp_path)
    assert [e.question for e in made.test] == ["2?", "1?"] and [e.question for e in made.dev] == ["3?"]


def test_options_as_mappings(tmp_path: Path) -> None:
    shapes = [{"x": "red", "y": "blue"}, {"text": ["red", "blue"], "label": ["x", "y"]}, {"text": ["red", "blue"]}]
    for options, reference in zip(shapes, ("y", "y", "blue"), strict=True):
        rows = [{"id": str(i), "question": f"{i}?", "options": options, "reference": reference, "split": ("dev", "test")[i]} for i in range(2)]
        (path := tmp_path / "o.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        [example] = task(path).dev
        assert example.request.format == Choice(2, ("red", "blue")) and example.references == ("B",)


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="holds no questions"):
        task(write(tmp_path / "none.jsonl", []))
