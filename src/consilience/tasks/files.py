"""Reading files of rows: JSON, JSON lines, CSV and parquet, packed or not. A broken line is named by its number."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from consilience.errors import MissingExtraError, TaskError

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
"""The kinds of file; the first three may be packed (`.gz`)."""


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
LONGEST = 1 << 30
"""Characters of a field of a table: passages are longer than what Python reads by default."""


def kind(path: Path) -> str:
    """The suffix that tells how to read the file, without `.gz`."""
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in SUFFIXES:
        raise TaskError(f"{path}: unknown kind of file {suffix!r}; known: {', '.join(SUFFIXES)} (with or without .gz)")
    return suffix


def text(path: Path) -> str:
    """The whole file as text."""
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error) as error:
        raise TaskError(f"{path} is damaged: {error}") from None
    except UnicodeDecodeError as error:
        raise TaskError(f"{path} is no UTF-8 text (byte {error.start + 1}); save it as UTF-8") from None


def document(path: Path) -> Any:
    """The JSON value that a file holds."""
    return _parsed(text(path), str(path))


def _parsed(line: str, where: str) -> Any:
    try:
        value = json.loads(line)
        return _sound(value) if _SURROGATE.search(line) else value
    except (ValueError, RecursionError) as error:
        raise TaskError(f"{where} is not JSON: {error}") from None


def _sound(value: Any) -> Any:
    """The value with a question mark for each half of a character that an escape left behind: no text can hold it."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case list():
            return [_sound(part) for part in value]
        case dict():
            return {_sound(key): _sound(part) for key, part in value.items()}
    return value


def rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Pairs of a place for errors (`file, line 3`) and a mapping."""
    match kind(path):
        case ".jsonl":
            return _lines(path)
        case ".csv":
            return _csv(path)
        case ".parquet":
            return _parquet(path)
    return _json(path)


def _lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(text(path).split("\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            yield where, mapping(_parsed(line, where), where)


def _json(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    whole = document(path)
    if not isinstance(whole, list):
        raise TaskError(f"{path}: a list of questions was expected, found {type(whole).__name__}")
    for number, row in enumerate(whole, 1):
        yield f"{path}, item {number}", mapping(row, f"{path}, item {number}")


def _csv(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    csv.field_size_limit(LONGEST)
    whole = text(path)
    head = whole.partition("\n")[0]
    between = "," if "," in head else next((mark for mark in ";\t" if mark in head), ",")     # as spreadsheets write it
    reader = csv.DictReader(io.StringIO(whole, newline=""), strict=True, delimiter=between)
    try:
        names = reader.fieldnames or ()
        if twice := [name for name in names if names.count(name) > 1]:
            raise TaskError(f"{path}: two columns are called {twice[0]!r}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise TaskError(f"{where} has not as many fields as the header ({len(names)})")
            yield where, {k: v for k, v in row.items() if v != ""}
    except csv.Error as error:
        raise TaskError(f"{path}, line {reader.line_num} is not CSV: {error}") from None


def _parquet(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("hub", f"reading {path}") from None
    try:
        table = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        raise TaskError(f"{path} cannot be read as parquet: {error}") from None
    for number, row in enumerate(table.to_pylist(), 1):
        yield f"{path}, row {number}", {k: v for k, v in row.items() if v is not None}


def mapping(row: Any, where: str) -> Mapping[str, Any]:
    """The row, which must be a mapping."""
    if not isinstance(row, dict):
        raise TaskError(f"{where}: a JSON object was expected, found {type(row).__name__}")
    return row


def field(row: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that holds something, as text; empty where none does."""
    return next((str(row[name]) for name in names if row.get(name) not in (None, "")), "")


def listed(value: str | Sequence[Any]) -> Sequence[Any]:
    """A list, also one that a field holds as JSON text; else the one text."""
    if isinstance(value, str) and value.startswith("["):
        try:
            parsed = json.loads(value)
        except ValueError:
            return (value,)
        return parsed if isinstance(parsed, list) and all(isinstance(v, str | int | float) for v in parsed) else (value,)
    return (value,) if isinstance(value, str) else value
