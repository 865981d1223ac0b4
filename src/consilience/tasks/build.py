"""From rows, whatever file they came from, to the examples of a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from consilience.errors import ConfigError, TaskError
from consilience.prompt import letter
from consilience.reading import Choice, Math, Number, from_dict, from_name
from consilience.tasks.task import Split, Task, content
from consilience.types import AnswerFormat, Example, Request, Sampling, digest

DEV_SHARE = 0.5
"""Share of the questions that goes to dev when a source has one split only; chosen by content, so it never changes."""


FORMS_OF_TASKS = ("", "answer", "steps")
"""Prompt forms in which a question may be asked; empty: as its format needs."""


@dataclass(frozen=True, slots=True)
class Row:
    """One question as a source gives it. `split` is `dev`, `test` or empty (by content); `where` is for errors."""

    id: str
    question: str
    references: tuple[str, ...]
    format: AnswerFormat
    options: tuple[str, ...] = ()
    split: str = ""
    form: str = ""
    skill: str = ""
    cluster: str = ""
    solution: str = ""
    where: str = ""
    beside: str = ""
    """What tells it from other questions of the same text and is not part of the text, such as a pair to be judged."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller of `task` may override.

    `form` (`answer` or `steps`) and `format` hold for all questions; `sampling` replaces the default one; `limit` keeps
    so many questions of each split (a fixed choice by content); `dev_share` splits sources that have one split only.
    """

    form: str = ""
    format: AnswerFormat | None = None
    sampling: Sampling | None = None
    limit: int | None = None
    dev_share: float = DEV_SHARE
    columns: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.form not in FORMS_OF_TASKS:
            raise ConfigError(f"a task's form is 'answer' or 'steps', got {self.form!r}")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit must be at least 1, got {self.limit}")
        if not 0 < self.dev_share < 1:
            raise ConfigError(f"dev_share must lie between 0 and 1, got {self.dev_share}")


def as_format(value: Any, where: str) -> AnswerFormat:
    """A format from a name (`choice-4`), a description (`{"name": "exact", "among": [...]}`), or itself."""
    try:
        if isinstance(value, str):
            return from_name(value)
        if isinstance(value, Mapping):
            return from_dict(value)
        if not callable(getattr(value, "read", None)):
            raise ConfigError(f"an answer format is a name such as 'number', or {{name: ..., ...}}, got {value!r}")
        return cast(AnswerFormat, value)
    except (ConfigError, TypeError) as error:
        raise TaskError(f"{where}: {error}") from None


def build(name: str, rows: Iterable[Row], options: Options, source: str, dropped: Mapping[str, int] | None = None) -> Task:
    """A task from rows: duplicates dropped (test keeps), splits disjoint by content, TaskError when one is empty."""
    name = options.name or name
    lost = Counter(dropped or {})
    taken: dict[str, tuple[str, Example]] = {}
    ids: set[str] = set()
    for row in rows:
        example = _example(name, row, options)
        key = content(example)
        split = row.split or _by_content(key, options.dev_share)
        key = f"{key}\n{row.beside}" if row.beside else key
        before = taken.get(key)
        if before is not None:
            lost["duplicate"] += 1
            if before[0] == "test" or split == "dev":
                continue
            ids.discard(before[1].id)
            del taken[key]
        if example.id in ids:
            example = replace(example, id=f"{example.id}~{digest(key)[:8]}")
        ids.add(example.id)
        taken[key] = (split, example)
    splits = {which: [e for s, e in taken.values() if s == which] for which in ("dev", "test")}
    for which, examples in splits.items():
        if not examples:
            raise TaskError(f"the {which} split of {name} ({source}) is empty: {len(taken)} questions were read"
                            f"{f', {dict(lost)} dropped' if lost else ''}. A task needs questions in both splits: add some, or "
                            f"mark some with the split {which}.")
    dev, test = (Split(f"{name}/{which}", _limited(examples, options.limit)) for which, examples in splits.items())
    return Task(name, dev, test, source, {k: n for k, n in lost.items() if n})


def _example(name: str, row: Row, options: Options) -> Example:
    if not row.question.strip():
        raise TaskError(f"{row.where}: the question is empty")
    if row.form not in FORMS_OF_TASKS:
        raise TaskError(f"{row.where}: the form is 'answer' or 'steps', got {row.form!r}")
    format = options.format or row.format
    question = with_options(row.question, row.options)
    form = options.form or row.form or ("steps" if isinstance(format, Number | Math) else "answer")
    request = Request.of(question, form=form, format=format, seed=options.seed, sampling=options.sampling or Sampling())
    return Example(row.id or digest(question)[:12], request, row.references, name, row.skill, row.cluster, row.solution)


def with_options(question: str, options: Sequence[str]) -> str:
    """The question with its lettered options below it, unless it already lists them."""
    if not options or listed(question, options):
        return question.strip()
    return question.strip() + "\n" + "\n".join(f"{letter(i)}) {text}" for i, text in enumerate(options))


def listed(question: str, options: Sequence[str]) -> bool:
    """True when every option stands in the question behind its letter."""
    return all(any(f"{mark}{text}".strip() in question for mark in (f"{letter(i)}. ", f"{letter(i)}) ", f"({letter(i)}) "))
               for i, text in enumerate(options))


def choice(options: Sequence[str], where: str) -> Choice:
    """The format of a question with these options."""
    if not 2 <= len(options) <= 26:
        raise TaskError(f"{where}: a choice has 2 to 26 options, got {len(options)}")
    return Choice(len(options), tuple(options))


def _by_content(key: str, dev_share: float) -> str:
    return "dev" if int(digest(key)[:8], 16) / 0x100000000 < dev_share else "test"


def _limited(examples: Sequence[Example], limit: int | None) -> tuple[Example, ...]:
    if limit is None or len(examples) <= limit:
        return tuple(examples)
    kept = {e.id for e in sorted(examples, key=lambda e: digest(content(e)))[:limit]}
    return tuple(e for e in examples if e.id in kept)
