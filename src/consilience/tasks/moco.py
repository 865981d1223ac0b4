"""The task files of MoCo (`{"task_type": ..., "dev": [...], "test": [...]}`), as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from consilience.errors import TaskError, did_you_mean
from consilience.reading import F1
from consilience.tasks import files, infer
from consilience.tasks.build import Options, Row, build, choice
from consilience.tasks.score import Unscored
from consilience.tasks.task import Task
from consilience.types import AnswerFormat

KINDS: Mapping[str, str] = {
    "multiple_choice": "", "exact_match": "", "f1_match": "", "coding": "code", "noncompliance": "refusal",
    "reward_model": "reward", "text_generation": "reward", "generation_diversity": "diversity", "general_verifier": "judge",
}
"""Task types, and the kind of scoring that is refused (empty: scored here)."""


def is_moco(whole: Any) -> bool:
    """Whether a JSON file is one of theirs."""
    return (isinstance(whole, dict) and "task_type" in whole and ("dev" in whole or "test" in whole)
            and all(isinstance(whole.get(which) or [], list) for which in ("dev", "test")))


def load(path: Path, options: Options) -> Task:
    """A task from one of their files. A question without a reference is left out and counted."""
    whole = files.document(path)
    if not is_moco(whole):
        raise TaskError(f"{path}: expected a JSON object with task_type and the lists dev and test")
    name, kind, dropped = path.name.split(".")[0], str(whole["task_type"]), Counter[str]()
    if kind not in KINDS:
        raise TaskError(f"{path}: unknown task_type {kind!r}.{did_you_mean(kind, KINDS)}")
    items = [(which, f"{path}, {which} {n}", files.mapping(item, f"{path}, {which} {n}"))
             for which in ("dev", "test") for n, item in enumerate(whole.get(which) or (), 1)]
    rows = _choices(items) if kind == "multiple_choice" else _texts(items, kind, name, dropped)
    return build(name, list(rows), options, str(path), dropped)


Items = Sequence[tuple[str, str, Mapping[str, Any]]]


def _choices(items: Items) -> Iterator[Row]:
    for which, where, item in items:
        options, answer = _field(item, "choices", where), str(_field(item, "answer", where))
        if not isinstance(options, dict) or answer not in options:
            raise TaskError(f"{where}: the answer {answer!r} is none of the choices")
        texts = tuple(str(text).strip() for text in options.values())
        reference = chr(65 + list(options).index(answer))
        yield Row(files.field(item, "id"), _text(item, "question", where), (reference,), choice(texts, where), texts,
                  which, skill=files.field(item, "domain"), where=where)


def _texts(items: Items, kind: str, name: str, dropped: Counter[str]) -> Iterator[Row]:
    scored = [item for item in items if _references(item[2], kind)]
    if not KINDS[kind]:
        dropped["no reference"] += len(items) - len(scored)
        items = scored
    whole = [item for item in items if not infer.truncated(_text(item[2], "input", item[1]))]
    dropped["options cut off"] += len(items) - len(whole)
    items = whole
    common = {domain: infer.shared([r for _, _, item in items if _domain(item) == domain for r in _references(item, kind)])
              for domain in {_domain(item) for _, _, item in items}}
    for which, where, item in items:
        question, references = _text(item, "input", where), _references(item, kind)
        format: AnswerFormat = Unscored(KINDS[kind], name)
        if kind == "f1_match":
            format = F1()
        elif not KINDS[kind]:
            format = infer.of_question(question, references[0], common[_domain(item)])
        yield Row(files.field(item, "id"), question, references, format, split=which, skill=_domain(item),
                  cluster=files.field(item, "question_id"), where=where)


def _references(item: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    output = item.get("output")
    found = files.listed(output) if kind == "f1_match" and isinstance(output, str | list) else (output,)
    return tuple(" ".join(str(alias).split()) for alias in found if alias is not None and str(alias).strip())


def _domain(item: Mapping[str, Any]) -> str:
    return files.field(item, "domain", "category")


def _text(item: Mapping[str, Any], name: str, where: str) -> str:
    value = _field(item, name, where)
    if isinstance(value, list | dict):
        raise TaskError(f"{where}: the {name} must be a text, found a {type(value).__name__}")
    return str(value)


def _field(item: Mapping[str, Any], name: str, where: str) -> Any:
    if item.get(name) is None:
        raise TaskError(f"{where}: no field {name!r}; found {sorted(k for k, v in item.items() if v is not None)}")
    return item[name]
