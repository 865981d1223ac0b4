"""MoCo's task files as they are."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from consilience.errors import TaskError
from consilience.reading import Choice, Exact, F1, Math, Number
from consilience.tasks import task

DATA = Path(os.environ.get("CONSILIENCE_DATA") or Path(__file__).parents[3] / "shared" / "data") / "tasks"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no task files in {DATA}; set CONSILIENCE_DATA")


def write(path: Path, kind: str, dev: list[dict[str, Any]], test: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"name": path.stem, "task_type": kind, "dev": dev, "test": test}))
    return path


def test_choices_with_numbered_keys(tmp_path: Path) -> None:
    item = {"id": 1, "question": "Which?", "choices": {"1": "red", "2": "blue"}, "answer": "2"}
    made = task(write(tmp_path / "c.json", "multiple_choice", [item], [{**item, "id": 2, "question": "Which now?"}]))
    assert made.dev[0].references == ("B",) and made.dev[0].request.format == Choice(2, ("red", "blue"))


def test_exact_match_by_domain(tmp_path: Path) -> None:
    items = [{"id": f"n{i}", "input": f"{i}?", "output": str(i), "domain": "numbers"} for i in range(8)]
    items += [{"id": f"b{i}", "input": f"true {i}?", "output": ("True", "False")[i % 2], "domain": "truth"} for i in range(8)]
    items += [{"id": "o", "input": "Which?\nOptions:\n(A) red\n(B) blue", "output": "B", "domain": "options"},
              {"id": "t", "input": "Which?\nOptions:\n(A) cut off", "output": "A", "domain": "options"},
              {"id": "x", "input": "no answer", "output": None, "domain": "options"}]
    made = task(write(tmp_path / "e.json", "exact_match", items[::2], items[1::2]))
    found = {e.id: e.request.format for e in (*made.dev, *made.test)}
    assert found["n1"] == Number() and found["b1"] == Exact(("False", "True")) and found["o"] == Choice(2, ("red", "blue"))
    assert made.dropped == {"no reference": 1, "options cut off": 1} and made.skills == ("numbers", "options", "truth")


def test_aliases_with_commas_stay_whole(tmp_path: Path) -> None:
    item = {"id": 1, "input": "Where?", "output": '["Christmas Island, Other Territories", "cx"]'}
    made = task(write(tmp_path / "f.json", "f1_match", [item], [{**item, "input": "Where now?"}]))
    assert made.dev[0].references == ("Christmas Island, Other Territories", "cx") and made.dev[0].request.format == F1()


def test_a_text_that_only_begins_like_a_list_is_the_answer(tmp_path: Path) -> None:
    items = [{"id": i, "input": f"Where {i}?", "output": said} for i, said in enumerate(("[1] Rome", "[sic", '[{"a": 1}]'))]
    made = task(write(tmp_path / "f.json", "f1_match", items, [{**items[0], "id": 9, "input": "Where now?"}]))
    assert [e.references for e in made.dev] == [("[1] Rome",), ("[sic",), ('[{"a": 1}]',)]


def test_aliases_in_a_list_are_references(tmp_path: Path) -> None:
    items = [{"input": f"Where {i}?", "output": ["Rome", None, "the  city of Rome"]} for i in range(4)]
    assert task(write(tmp_path / "l.json", "f1_match", items[:2], items[2:])).dev[0].references == ("Rome", "the city of Rome")


def test_null_names_nothing(tmp_path: Path) -> None:
    items = [{"id": None, "question_id": None, "domain": None, "category": "maps", "input": f"Where {i}?", "output": "Rome"} for i in range(4)]
    made = task(write(tmp_path / "n.json", "f1_match", items[:2], items[2:]))
    assert made.skills == ("maps",) and not any(e.cluster for e in made.dev) and len({e.id for e in made.dev}) == 2


@pytest.mark.parametrize(("kind", "message"), [
    ("coding", "running code"), ("noncompliance", "rightly declined"), ("reward_model", "reward model"), ("text_generation", "reward model"),
    ("generation_diversity", "diversity"), ("general_verifier", "judge"),
])
def test_what_cannot_be_scored_is_refused(tmp_path: Path, kind: str, message: str) -> None:
    made = task(write(tmp_path / "r.json", kind, [{"id": 1, "input": "a"}], [{"id": 2, "input": "b"}]))
    assert message in made.refusal and len(made.test) == 1


@pytest.mark.parametrize(("whole", "message"), [
    ({"task_type": "multiple_choise", "dev": [], "test": []}, "unknown task_type 'multiple_choise'.* 'multiple_choice'"),
    ({"rows": []}, "expected a JSON object with task_type"),
    ({"task_type": "f1_match", "dev": 5}, "expected a JSON object with task_type"),
    ({"task_type": "f1_match", "dev": {"id": 1}, "test": []}, "expected a JSON object with task_type"),
    ({"task_type": "multiple_choice", "dev": [{"question": "q", "choices": {"A": "x"}, "answer": "B"}]}, "dev 1: the answer 'B' is none"),
    ({"task_type": "exact_match", "dev": [{"output": "x"}]}, "dev 1: no field 'input'"),
    ({"task_type": ["f1_match"], "dev": []}, "unknown task_type"),
    ({"task_type": "exact_match", "dev": [{"input": None, "output": "x"}]}, "dev 1: no field 'input'"),
    ({"task_type": "multiple_choice", "dev": [{"question": {"a": 1}, "choices": {"A": "x", "B": "y"}, "answer": "B"}]},
     "dev 1: the question must be a text, found a dict"),
])
def test_wrong_files(tmp_path: Path, whole: dict[str, Any], message: str) -> None:
    (tmp_path / "w.json").write_text(json.dumps(whole))
    with pytest.raises(TaskError, match=message):
        task(tmp_path / "w.json")


SIZES = {"agieval": (1155, 1156), "arc_challenge": (299, 1172), "gsm8k": (200, 1000), "math": (949, 951), "mmlu_redux": (996, 999),
         "humaneval": (50, 114), "popqa": (969, 993), "coconot": (1000, 1000)}


@needs_data
@pytest.mark.parametrize("name", SIZES)
def test_published_files(name: str) -> None:
    made = task(DATA / f"{name}.json.gz")
    assert (len(made.dev), len(made.test)) == SIZES[name]
    if name == "math":
        assert made.dropped == {"no reference": 12} and made.dev[0].request.format == Math()
    assert bool(made.refusal) == (name in ("humaneval", "coconot"))
