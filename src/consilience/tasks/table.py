"""Tables of questions: our own JSON lines (strict about names), and CSV, parquet and data sets (columns are found)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consilience.errors import TaskError, did_you_mean
from consilience.reading import Choice, Number, YesNo
from consilience.reading.number import number
from consilience.tasks import files, infer
from consilience.tasks.build import Options, Row, as_format, build, choice
from consilience.tasks.score import Unscored
from consilience.tasks.task import Task
from consilience.types import AnswerFormat

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "input", "prompt", "problem", "query", "instruction"),
    "references": ("references", "reference", "answer", "answers", "output", "target", "label", "answerKey"),
    "options": ("options", "choices"),
    "id": ("id", "_id", "idx"),
    "split": ("split",),
    "format": ("format",),
    "form": ("form",),
    "skill": ("skill", "subject", "category", "domain"),
    "cluster": ("cluster", "group"),
    "solution": ("solution", "rationale", "explanation"),
}
"""What a question has, and the names under which a table may hold it; the first that is there is taken."""

OWN = ("id", "question", "reference", "references", "options", "split", "format", "form", "skill", "cluster", "solution")
"""The names in our own JSON lines. Any other is an error."""

_MEANT = {word: "reference" if name == "references" else name for name, words in COLUMNS.items() for word in words}
"""Names of foreign columns -> ours."""

SPLITS = {"dev": "dev", "train": "dev", "validation": "dev", "valid": "dev", "val": "dev", "test": "test"}
"""What the names of splits mean here."""

_MARKED = re.compile(r"####\s*(.+?)\s*$", re.DOTALL)
_WORKED = re.compile(r"(.*?)\s*####", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Raw:
    """A row before its format is known; None for what it has not."""

    where: str
    question: Any
    references: Any = None
    options: Any = None
    id: Any = None
    split: Any = None
    format: Any = None
    form: Any = None
    skill: Any = None
    cluster: Any = None
    solution: Any = None

    def text(self, name: str) -> str:
        """A field as text, empty when absent. Raises TaskError for a list or an object."""
        value = getattr(self, name)
        if isinstance(value, list | dict):
            raise TaskError(f"{self.where}: the {name} must be a text, found a {type(value).__name__}")
        return "" if value is None else str(value).strip()


def load(path: Path, options: Options) -> Task:
    """A task from one file, or from a folder that holds `dev.*` and `test.*`."""
    strict = files.kind(path) == ".jsonl" if path.is_file() else False
    raws = [Raw(where, **_columns(row, where, options, strict)) for where, row in _rows(path)]
    return make(path.name.split(".")[0], raws, options, str(path))


def _rows(path: Path) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if path.is_file():
        yield from files.rows(path)
        return
    for which in ("dev", "test"):
        found = sorted(p for p in path.glob(f"{which}.*") if Path(p.name.removesuffix(".gz")).suffix in files.SUFFIXES)
        if len(found) != 1:
            raise TaskError(f"the folder {path} must hold one {which}.jsonl (or .csv, .parquet, .json), found {len(found)}")
        for where, row in files.rows(found[0]):
            yield where, {**row, "split": which}


def make(name: str, raws: Sequence[Raw], options: Options, source: str) -> Task:
    """A task from raw rows: formats are as given, else found from the references of all rows."""
    if not raws:
        raise TaskError(f"{source} holds no questions")
    bare = [r for raw in raws if not _texts(raw) for r in references(raw)]
    common = options.format or (infer.shared(bare) if bare else Unscored("reference", name))
    return build(name, (_row(raw, name, common) for raw in raws), options, source)


def _columns(row: Mapping[str, Any], where: str, options: Options, strict: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, column in options.columns.items():
        if name not in COLUMNS:
            raise TaskError(f"columns: unknown field {name!r}.{did_you_mean(name, COLUMNS)}")
        if column not in row:
            raise TaskError(f"{where}: no column {column!r} for the {name}.{did_you_mean(column, row)}")
        found[name] = row[column]
    if strict and not options.columns:
        for key in row:
            if key not in OWN:
                raise TaskError(f"{where}: unknown field {key!r}.{did_you_mean(_MEANT.get(key, key), OWN)}")
    for name, names in COLUMNS.items():
        if name not in found:
            column = next((c for c in names if c in row), None)
            if column is not None:
                found[name] = row[column]
    if "question" not in found:
        raise TaskError(f"{where}: no question; the fields are {sorted(row)}. Say which it is: "
                        "{task: FILE, columns: {question: NAME, references: NAME}} in an experiment, columns={...} in Python")
    return found


def columns(row: Mapping[str, Any], where: str, options: Options) -> Raw:
    """A row of a foreign table."""
    return Raw(where, **_columns(row, where, options, strict=False))


def _row(raw: Raw, name: str, common: AnswerFormat) -> Row:
    texts = _texts(raw)
    said = raw.text("split").lower()
    if said and said not in SPLITS:
        raise TaskError(f"{raw.where}: unknown split {said!r}.{did_you_mean(said, SPLITS)}")
    refs = references(raw)
    format: AnswerFormat = as_format(raw.format, raw.where) if raw.format else choice(texts, raw.where) if texts else common
    if texts and isinstance(format, Choice) and not format.texts:
        format = choice(texts, raw.where)
    if not refs and not isinstance(format, Unscored):
        raise TaskError(f"{raw.where}: no reference; the others have one")
    if isinstance(format, Choice):
        refs = tuple(_letter(ref, raw, format) for ref in refs)
    for reference in refs:
        if isinstance(format, Number) and number(reference) is None or isinstance(format, YesNo) and format.refer(reference) is None:
            raise TaskError(f"{raw.where}: the reference {reference!r} cannot be met by an answer of the format {format.name}")
    return Row(raw.text("id"), raw.text("question"), refs, format, texts, SPLITS.get(said, ""), raw.text("form"),
               raw.text("skill"), raw.text("cluster"), raw.text("solution") or _worked(raw), raw.where)


def _letter(reference: str, raw: Raw, format: Choice) -> str:
    """The letter of a reference: itself, a key such as `1`, the index of the option (from 0), or the option's text."""
    keys = _keys(raw)
    if reference in keys:
        return chr(65 + keys.index(reference))
    if type(raw.references) is int and 0 <= int(reference) < format.n:
        return chr(65 + int(reference))
    found = format.refer(reference)
    if found is None:
        raise TaskError(f"{raw.where}: the reference {reference!r} is none of the {format.n} options")
    return found


def references(raw: Raw) -> tuple[str, ...]:
    """The references as texts; a worked solution that ends in `#### 42` gives `42`."""
    value = raw.references
    values = files.listed(value) if isinstance(value, str | list | tuple) else () if value is None else (value,)
    if any(isinstance(v, list | tuple | Mapping) for v in values):
        raise TaskError(f"{raw.where}: a reference must be a text, or a list of texts, found {str(value)[:80]}")
    texts = tuple(str(v).strip() for v in values if v is not None)
    return tuple(m[1] if (m := _MARKED.search(t)) else t for t in texts if t)


def _worked(raw: Raw) -> str:
    marked = _WORKED.match(raw.references) if isinstance(raw.references, str) else None
    return marked[1].strip() if marked else ""


def _texts(raw: Raw) -> tuple[str, ...]:
    value = raw.options
    if isinstance(value, Mapping):
        value = value["text"] if _twofold(value) else list(value.values())
    elif isinstance(value, str):
        value = files.listed(value)
    elif not isinstance(value, list | tuple | None):
        raise TaskError(f"{raw.where}: the options must be a list of texts, found {value!r}")
    if value is not None and None in value:
        raise TaskError(f"{raw.where}: an option is null; found {str(list(value))[:80]}")
    return tuple(str(v).strip() for v in value) if value is not None else ()


def _keys(raw: Raw) -> tuple[str, ...]:
    if not isinstance(raw.options, Mapping):
        return ()
    return tuple(str(k) for k in (raw.options.get("label", ()) if _twofold(raw.options) else raw.options))


def _twofold(options: Mapping[str, Any]) -> bool:
    """Whether options are held as `{text: [...], label: [...]}` (or without labels), not as `{A: text, ...}`."""
    return isinstance(options.get("text"), list)
