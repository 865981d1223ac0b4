"""The files that a benchmark leaves: rows and traces, written as questions finish, put in order at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

from consilience.errors import ConfigError, StoreError
from consilience.store import pack
from consilience.types import Example, Reply, digest

RESULTS, TRACES, QUESTIONS, EXPERIMENT, LEADERBOARD, REPORT, RUN = (
    "results.jsonl", "traces.jsonl", "questions.jsonl", "experiment.yaml", "leaderboard.csv", "report.html", "run.json")
"""Names of the files in the folder of a benchmark."""


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant's answer to one question. `cost` is in US dollars, None where a price is unknown; `seconds` are
    recorded ones along the critical path; `draws` counts distinct draws; `fallback` says that the method could not do what
    it does, and what was done instead; `error` says why there is no answer; `memory`, where a memory of the
    questions before was on, is the digest of their order, this one included."""

    method: str
    kind: str
    level: str
    task: str
    split: str
    id: str
    skill: str
    cluster: str
    text: str | None
    reading: str | None
    score: float
    unread: bool
    calls: int
    draws: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float
    members: list[str]
    absent: list[list[str]]
    fallback: str
    error: str
    trace: str
    key: str
    memory: str = ""


_COLUMNS = tuple(f.name for f in fields(Row))
_columns = attrgetter(*_COLUMNS)
_encode = json.JSONEncoder(separators=(",", ":")).encode


def make_row(who: tuple[str, str, str], task: str, example: Example, reply: Reply, score: float, key: str) -> Row:
    """The row of an answer; `who` is the contestant's name, kind and level."""
    leaves = list(_leaves(reply))
    draws = {(part.model, part.asked, part.draw, part.text) for part in leaves if part.text is not None}
    usage = reply.usage
    return Row(*who, task, "test", example.id, example.skill, example.cluster, reply.text, reply.reading, score,
               reply.unreadable(example.request.format), usage.calls, len(draws),
               usage.prompt_tokens, usage.completion_tokens, reply.cost, reply.seconds,
               list(dict.fromkeys(part.model for part in leaves)), [[a.member, a.reason] for a in reply.absent], _fallback(reply), "",
               trace_id(who[0], task, example.id), key)


def failed_row(who: tuple[str, str, str], task: str, example: Example, error: Exception, key: str) -> Row:
    """The row of a question that nobody answered: score 0."""
    return Row(*who, task, "test", example.id, example.skill, example.cluster, None, None, 0.0, False, 0, 0, 0, 0, None,
               0.0, [], [], "", str(error) or type(error).__name__, "", key)


def _fallback(reply: Reply) -> str:
    """What a reply says of an answer that another step gave than the method meant."""
    told = reply.note.get("fallback", "")
    return told if isinstance(told, str) else "another member answered" if told else ""


def _leaves(reply: Reply) -> Iterator[Reply]:
    if not reply.parts:
        yield reply
    for part in reply.parts:
        yield from _leaves(part)


def trace_id(method: str, task: str, example: str) -> str:
    """Names the call tree of one answer."""
    return digest([method, task, example])[:16]


PROMPTED, OF = 24, 10
"""Of how many questions of a task the prompts are kept at most, and of how many one."""


def sampled(ids: Iterable[str]) -> list[str]:
    """The questions in the order in which some are taken to be looked at: by chance, always the same."""
    return sorted(ids, key=lambda id_: digest(["sample", id_]))


def prompted(ids: Sequence[str]) -> set[str]:
    """The questions whose prompts are kept: few, so that traces hardly grow, and among those that the report shows."""
    return set(sampled(ids)[:min(PROMPTED, max(1, len(ids) // OF))])


class Results:
    """The two files while a benchmark runs. A line counts once it is whole: a crash loses the line being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (RESULTS, TRACES):
                _mend(folder / name)
            self._rows = (folder / RESULTS).open("a", encoding="utf-8")
            self._traces = (folder / TRACES).open("a", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"the results folder {folder} cannot be written: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._rows, self._traces):
            with suppress(OSError):     # on a full disk the half line in the buffer fails again; it was told already
                file.close()

    def done(self, *, failed: bool) -> set[str]:
        """Keys of the rows that are there, those of unanswered questions if `failed`."""
        return {row.key for row in read_rows(self.folder) if failed or not row.error}

    def write(self, row: Row, reply: Reply | None) -> None:
        """Append an answer: its trace first, so that a row never lacks one."""
        try:
            if reply is not None:
                tree = pack(bare(reply))
                self._traces.write(f'{{"trace":"{row.trace}","method":{_encode(row.method)},"task":{_encode(row.task)},'
                                   f'"id":{_encode(row.id)},"reply":{tree}}}\n')
                self._traces.flush()
            self._rows.write(to_line(row))
            self._rows.flush()
        except OSError as error:
            raise _unwritable(self.folder, error) from None

    def settle(self, place: Callable[[str], tuple[int, ...] | None]) -> None:
        """Put both files in order: the last row of each key by `place`; rows without a place are dropped."""
        self._rows.close()
        self._traces.close()
        rows = {key: span for key, span in _index(self.folder / RESULTS, "key").items() if place(key) is not None}
        ordered = sorted(rows.values(), key=lambda span: place(span.key) or ())
        _rewrite(self.folder / RESULTS, ordered)
        traces = _index(self.folder / TRACES, "trace")
        wanted = dict.fromkeys(span.trace for span in ordered)
        _rewrite(self.folder / TRACES, [traces[trace] for trace in wanted if trace in traces])


def bare(reply: Reply) -> Reply:
    """A reply without its tokens' log-probabilities, which the store keeps."""
    return reply if reply.tokens is None else reply.having(tokens=None)


def to_line(row: Row) -> str:
    """A row as a line of JSON."""
    return _encode(dict(zip(_COLUMNS, _columns(row), strict=True))) + "\n"


def read_rows(folder: Path) -> Iterator[Row]:
    """The rows in a results folder, in file order. Raises ConfigError when there are none or a line is broken."""
    path = folder / RESULTS
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield _row(line, path, number)
    except OSError as error:
        raise ConfigError(f"there are no results in {folder}: {error.strerror or error}") from None


def _row(line: bytes, path: Path, number: int) -> Row:
    try:
        return Row(**{"fallback": "", **json.loads(line)})
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}, line {number} is not a result row: {error}. Take the line out; what it held is "
                          "asked again or read from the store") from None


def read_traces(folder: Path, wanted: set[str]) -> dict[str, Any]:
    """The call trees with these ids, as JSON values."""
    found: dict[str, Any] = {}
    path = folder / TRACES
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                if _name(line, "trace", False) in wanted:
                    entry = _entry(line, path, parse_constant=lambda _: None)
                    found[entry["trace"]] = entry["reply"]
    return found


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a line lies, and what it is called."""

    offset: int
    length: int
    key: str
    trace: str


def _name(line: bytes, key: str, last: bool) -> str:
    """The value of a text key without parsing the line: the last such key of a row, the first of a trace."""
    mark = f'"{key}":"'.encode()
    start = (line.rfind(mark) if last else line.find(mark)) + len(mark)
    return line[start:line.find(b'"', start)].decode()


def _index(path: Path, key: str) -> dict[str, _Span]:
    """Where the last line of each key lies."""
    spans, offset, row = {}, 0, key == "key"
    with path.open("rb") as file:
        for line in file:
            name = _name(line, key, row)
            spans[name] = _Span(offset, len(line), name, _name(line, "trace", row))
            offset += len(line)
    return spans


def _rewrite(path: Path, spans: Sequence[_Span]) -> None:
    fresh = path.with_suffix(".tmp")
    try:
        with path.open("rb") as source, fresh.open("wb") as target:
            for span in spans:
                source.seek(span.offset)
                target.write(source.read(span.length))
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise _unwritable(path, error) from None


def _mend(path: Path) -> None:
    """Cut off a last line that a crash left half written."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        keep, block = end, 1 << 16
        while keep > 0:
            start = max(0, keep - block)
            file.seek(start)
            cut = file.read(keep - start).rfind(b"\n")
            if cut >= 0:
                keep = start + cut + 1
                break
            keep = start
        if keep < end:
            file.truncate(keep)


def write_text(path: Path, text: str) -> None:
    """Replace a file at once. Raises StoreError."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")      # a report may be rebuilt by several at once
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be written: {error.strerror or error}. What is there is safe; make room and run the "
                      "same command again, it goes on from there.")


def write_questions(folder: Path, tasks: Sequence[tuple[str, Sequence[Example]]]) -> None:
    """Write what was asked, with the references, for the report."""
    lines = [_encode({"task": task, "id": e.id, "skill": e.skill, "question": e.question,
                      "references": list(e.references), "solution": e.solution}) for task, test in tasks for e in test]
    write_text(folder / QUESTIONS, "".join(line + "\n" for line in lines))


def read_questions(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What was asked, by task and id; empty where it was not kept."""
    path = folder / QUESTIONS
    if not path.exists():
        return {}
    entries = [_entry(line, path) for line in path.read_bytes().splitlines()]
    return {(e["task"], e["id"]): e for e in entries}


def _entry(line: bytes, path: Path, **how: Any) -> dict[str, Any]:
    try:
        return dict(json.loads(line, **how))
    except (ValueError, TypeError):
        raise ConfigError(f"{path} holds a line that a benchmark did not write: {line[:80]!r}; the same benchmark into "
                          "this folder writes the file anew") from None
