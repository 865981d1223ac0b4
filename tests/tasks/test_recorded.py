"""Recorded questions as tasks, answered by their recordings."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from consilience.errors import TaskError
from consilience.reading import Choice, Number
from consilience.tasks import Unscored, task
from consilience.tasks.task import content

DATA = Path(os.environ.get("CONSILIENCE_DATA") or Path(__file__).parents[3] / "shared" / "data") / "recorded"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded answers in {DATA}; set CONSILIENCE_DATA")


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def lines(n: int, **more: Any) -> list[dict[str, Any]]:
    return [{"dataset": "sums", "id": i, "model": model, "prompt": f"What is {i} + 1?", "reference": str(i + 1), "response": str(i + 1),
             "score": 1.0, **more} for i in range(n) for model in ("m1", "m2")]


def test_each_question_once_asked_as_it_was(tmp_path: Path) -> None:
    made = task(f"recorded:{write(tmp_path / 'r.jsonl', lines(40))}")
    assert len(made.dev) + len(made.test) == 40 and made.formats == (Number().name,)
    assert made.test[0].request.form == "answer" and made.test[0].question == f"What is {made.test[0].id} + 1?"


def test_own_splits_are_kept(tmp_path: Path) -> None:
    both = [{**line, "split": ("train", "test")[line["id"] % 2]} for line in lines(6)]
    assert [e.id for e in task(f"recorded:{write(tmp_path / 'r.jsonl', both)}").dev] == ["0", "2", "4"]
    only = task(f"recorded:{write(tmp_path / 'o.jsonl', lines(40, split='train'))}")
    assert len(only.dev) > 5 and len(only.test) > 5


def test_several_data_sets_must_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", [*lines(20), *lines(20, dataset="other")])
    with pytest.raises(TaskError, match=f"holds several data sets; name one: recorded:{path}#other"):
        task(f"recorded:{path}")
    assert task(f"recorded:{path}#other").name == "other"
    with pytest.raises(TaskError, match="no data set 'sum'.* Did you mean 'sums'"):
        task(f"recorded:{path}#sum")


def test_without_references_only_recorded_scores_count(tmp_path: Path) -> None:
    bare = [{k: v for k, v in line.items() if k != "reference"} | {"prompt": f"Which {line['id']}?\nA. red\nB. blue"} for line in lines(20)]
    made = task(f"recorded:{write(tmp_path / 'r.jsonl', bare)}")
    assert made.test[0].request.format == Unscored("reference", "r", Choice(2, ("red", "blue"))) and made.refusal


def test_options_beside_the_prompt(tmp_path: Path) -> None:
    told = [{**line, "options": {"A": "red", "B": "blue"}, "reference": "B"} for line in lines(20)]
    made = task(f"recorded:{write(tmp_path / 'r.jsonl', told)}")
    assert made.test[0].request.format == Choice(2, ("red", "blue")) and "red" not in made.test[0].question


def test_null_is_as_good_as_absent(tmp_path: Path) -> None:
    none = dict.fromkeys(("split", "category", "options", "reference"))
    made = task(f"recorded:{write(tmp_path / 'r.jsonl', [{**line, **none, 'subject': 'sums'} for line in lines(40)])}")
    assert made.skills == ("sums",) and not any(e.references for e in made.test)


def test_a_line_without_a_prompt(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="line 1: a recorded question needs 'prompt'"):
        task(f"recorded:{write(tmp_path / 'r.jsonl', [{'dataset': 'd', 'id': 1, 'model': 'm'}])}")


@needs_data
def test_real_recordings_answer_their_own_task() -> None:
    from consilience.models.recorded import Recorded, Recording

    path = DATA / "zeroeval_gsm8k_half.jsonl.gz"
    made = task(f"recorded:{path}#zeroeval_gsm8k", limit=40)
    model = Recorded(Recording.load(path), "gpt-4o-2024-08-06" if "gpt-4o-2024-08-06" in {m for m, _ in Recording.load(path).models}
                     else sorted(m for m, _ in Recording.load(path).models)[0])
    [row] = asyncio.run(made.test.replies([model]))
    assert len(row) == 40 and all(s.reply is not None and s.reply.score == s.score for s in row) and sum(s.score for s in row) > 20


@needs_data
@pytest.mark.parametrize(("spec", "format"), [
    ("mmlu_pro_even_categories.jsonl.gz", "choice-10/1"), ("zeroeval_cruxeval_half.jsonl.gz", "exact/1"),
    ("routellm_mmlu_even.jsonl.gz", "unscored-reference-choice-4/1"), ("emotion_option_logits_half.jsonl.gz", "choice-6/1"),
])
def test_published_recordings(spec: str, format: str) -> None:
    made = task(f"recorded:{DATA / spec}")
    assert format in made.formats and not {content(e) for e in made.dev} & {content(e) for e in made.test}
