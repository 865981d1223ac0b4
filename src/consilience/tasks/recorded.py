"""Recorded answers as tasks: the questions that real models were asked, to be asked of their recordings again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilience.errors import TaskError, did_you_mean
from consilience.reading import Choice, Free
from consilience.tasks import files, infer
from consilience.tasks.build import Options, Row, build
from consilience.tasks.score import Unscored
from consilience.tasks.task import Task
from consilience.types import AnswerFormat, digest

_BESIDE = ("options", "first_turn", "output_1", "output_2", "response_1", "response_2")
"""What a recorded question shows beside its prompt."""
_SPLITS = {"train": "dev", "dev": "dev", "validation": "dev", "test": "test"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """One recorded question."""

    where: str
    id: str
    prompt: str
    reference: str
    options: tuple[str, ...]
    split: str
    skill: str
    beside: str


def load(path: Path, dataset: str, options: Options) -> Task:
    """The questions of one data set of a recording. The prompt is asked as it was; nothing is added to it.

    Questions without a prompt cannot be asked and are an error; without a reference only recorded scores count.
    """
    asked = _questions(path, dataset)
    both = {question.split for question in asked} >= {"dev", "test"}
    references = [q.reference for q in asked if q.reference and not q.options]
    common = infer.shared(references) if references else None
    name = dataset or path.name.split(".")[0]
    lists = sum(bool(infer.lettered(q.prompt)) for q in asked) > 0.9 * len(asked)
    rows = [_row(question, name, common, lists, both) for question in asked]
    return build(name, rows, options, f"{path}#{dataset}" if dataset else str(path))


def _questions(path: Path, dataset: str) -> list[_Asked]:
    found: dict[str, _Asked] = {}
    names: set[str] = set()
    for where, line in files.rows(path):
        own = files.field(line, "dataset")
        names.add(own)
        if dataset and own != dataset:
            continue
        for key in ("dataset", "id", "prompt"):
            if line.get(key) in (None, ""):
                raise TaskError(f"{where}: a recorded question needs {key!r}, found {sorted(line)}")
        id_ = str(line["id"])
        if id_ not in found:
            found[id_] = _asked(where, line)
    if not dataset and len(names) > 1:
        raise TaskError(f"{path} holds several data sets; name one: recorded:{path}#{sorted(names)[0]}"
                        f" (there are {', '.join(sorted(names))})")
    if not found:
        raise TaskError(f"{path} has no data set {dataset!r}.{did_you_mean(dataset, names)}")
    return list(found.values())


def _asked(where: str, line: Mapping[str, Any]) -> _Asked:
    options = line.get("options")
    texts = tuple(str(v) for v in options.values()) if isinstance(options, dict) else ()
    return _Asked(where, str(line["id"]), str(line["prompt"]), files.field(line, "reference").strip(), texts,
                  _SPLITS.get(files.field(line, "split"), ""), files.field(line, "category", "subject", "subset"),
                  digest([line.get(k) for k in _BESIDE]))


def _row(question: _Asked, name: str, common: AnswerFormat | None, lists: bool, both: bool) -> Row:
    format: AnswerFormat
    if question.options:
        format = Choice(len(question.options), question.options)
    elif question.reference and common is not None:
        format = infer.of_question(question.prompt, question.reference, common)
    else:
        texts = infer.lettered(question.prompt) if lists else ()
        format = Unscored("reference", name, Choice(len(texts), texts) if texts else Free())
    references = (question.reference,) if question.reference else ()
    return Row(question.id, question.prompt, references, format, split=question.split if both else "", form="answer",
               skill=question.skill, where=question.where, beside=question.beside)
