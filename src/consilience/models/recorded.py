"""Answers that were recorded: real models' replies, read from a file and never made up."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from consilience.errors import ConfigError, ModelError, NoAnswerError, TeamError, did_you_mean
from consilience.model import Card, Model, P, Quotes, stream_whole
from consilience.types import Draws, Event, Example, Quote, Reply, Request, Scope, Usage, digest, total_cost

_NOTED = ("option_logits", "options", "reward_scores", "contaminated")
"""Published numbers about a reply that are handed on in its note."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a file as it is written. What is absent or null has the default."""

    dataset: Any
    id: Any
    model: Any
    variant: Any = ""
    prompt: Any = ""
    response: Any = None
    responses: Any = None
    answer: Any = None
    answers: Any = None
    score: Any = None
    sample_scores: Any = None
    cost_usd: Any = None
    duration_ms: Any = 0.0
    prompt_tokens: Any = 0
    completion_tokens: Any = 0
    note: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Entry:
        """From JSON values; a KeyError names what every line needs."""
        told = {key: value for key, value in line.items() if value is not None}
        known = {name: told[name] for name in _FIELDS if name in told or name in _NEEDED}
        return cls(**known, note={key: told[key] for key in _NOTED if key in told})


_FIELDS = tuple(f.name for f in fields(Entry) if f.name != "note")
_NEEDED = ("dataset", "id", "model")


@dataclass(frozen=True, slots=True)
class Line:
    """What is recorded of one model on one question: several draws where lists were recorded."""

    texts: tuple[str | None, ...]
    answers: tuple[str | None, ...]
    scores: tuple[float | None, ...]
    cost: float | None
    seconds: float
    usage: Usage
    note: Mapping[str, Any]


@dataclass(slots=True)
class Recording:
    """One parsed file. `models[(model, variant)][question]` is a line; questions are numbered by first appearance."""

    path: Path
    fingerprint: str
    prompts: list[str] = field(default_factory=list)
    names: dict[tuple[str, str], int] = field(default_factory=dict)
    by_id: dict[str, list[int]] = field(default_factory=dict)
    by_prompt: dict[str, list[int]] = field(default_factory=dict)
    models: dict[tuple[str, str], dict[int, Line]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """The parsed file, shared by all who load it. Raises ConfigError with the number of a broken line."""
        path = Path(path)
        try:
            stat = path.stat()
        except OSError as error:
            raise ConfigError(f"recorded answers {path}: {error.strerror or error}") from None
        return _load(path.resolve(), stat.st_mtime_ns, stat.st_size)

    def add(self, entry: Entry, line: Line) -> None:
        """Take up one line."""
        dataset, id_ = str(entry.dataset), str(entry.id)
        number = self.names.get((dataset, id_))
        if number is None:
            number = self.names[dataset, id_] = len(self.prompts)
            prompt = str(entry.prompt)
            self.prompts.append(prompt)
            for key in {id_, f"{dataset}/{id_}"}:
                self.by_id.setdefault(key, []).append(number)
            if prompt:
                self.by_prompt.setdefault(prompt.strip(), []).append(number)
        self.models.setdefault((str(entry.model), str(entry.variant)), {})[number] = line

    def find(self, example: str, question: str) -> list[int]:
        """Numbers of the questions with this id whose prompt, where recorded, is this one; else those with this
        prompt."""
        asked = question.strip()
        named = [n for n in self.by_id.get(example, ()) if not self.prompts[n] or self.prompts[n].strip() == asked]
        return named or self.by_prompt.get(asked, [])


@lru_cache(maxsize=8)
def _load(path: Path, changed: int, size: int) -> Recording:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"recorded answers {path}: {error.strerror or error}") from None
    recording = Recording(path, hashlib.sha256(data).hexdigest()[:32])
    try:
        text = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path} cannot be unpacked: {error}") from None
    for number, raw in enumerate(io.BytesIO(text), 1):
        if raw.strip():
            _take(recording, raw, number)
    if not recording.models:
        raise ConfigError(f"{path} holds no recorded answers")
    return recording


def _take(recording: Recording, raw: bytes, number: int) -> None:
    try:
        entry = Entry.of(json.loads(raw))
        recording.add(entry, _line(entry))
    except KeyError as error:
        raise ConfigError(f"{recording.path}, line {number}: every line needs dataset, id and model; "
                          f"{error.args[0]} is missing") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{recording.path}, line {number} is not a recorded answer: {error}") from None


def _line(entry: Entry) -> Line:
    single = entry.responses is None and entry.answers is None
    texts = [entry.response] if single else list(entry.responses or [])
    answers = [entry.answer] if single else list(entry.answers or [])
    if answers and len(texts) != len(answers):
        texts = []      # which text gave which answer was not recorded: the answers are the draws
    n = max(len(texts), len(answers))
    texts += [None] * (n - len(texts))
    answers = [None if a is None else str(a) for a in answers] + [None] * (n - len(answers))
    scores = [entry.score] if entry.sample_scores is None else list(entry.sample_scores)
    scores = scores if len(scores) == n else [None] * n
    _check(texts, str, "a response is a text")
    _check([*scores, entry.cost_usd], (int, float), "scores and cost_usd are numbers")
    usage = Usage(1, int(entry.prompt_tokens), int(entry.completion_tokens))
    return Line(tuple(texts), tuple(answers), tuple(scores), entry.cost_usd, float(entry.duration_ms) / 1000, usage, entry.note)


def _check(values: Iterable[Any], kind: type | tuple[type, ...], rule: str) -> None:
    for value in values:
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{rule}, found {value!r}")


class Recorded:
    """One model of a recording.

    It gives what was recorded for the question and nothing else: another draw, another prompt form or
    log-probabilities are a TeamError, a question that was not recorded is a ModelError that names it. Where only the
    final answer was published, that answer is the text; where only a score was, the text is None. The reading is that
    of the published answer. Sampling and seed are those of the recording, whatever is asked.
    """

    def __init__(self, recording: Recording, model: str, variant: str = "", **card: Any) -> None:
        self.recording, self.model = recording, model
        variants = [v for m, v in recording.models if m == model]
        if not variants:
            raise ConfigError(f"{recording.path} has no model {model!r}."
                              f"{did_you_mean(model, {m for m, _ in recording.models})}")
        if variant and variant not in variants:
            raise ConfigError(f"{recording.path} has no variant {variant!r} of {model}.{did_you_mean(variant, variants)}")
        self.variant = variant or (variants[0] if len(variants) == 1 else "")
        self.variants = variants
        name = f"{model}@{variant}" if variant else model
        facts: dict[str, Any] = {"name": name, "spec": f"recorded:{recording.path}#{name}", "recorded": True,
                                 "description": f"recorded answers of {name}"}
        self.card = Card(**{**facts, **card}, fingerprint=digest([recording.fingerprint, model, variant]))

    def power(self, kind: type[P]) -> P | None:
        """A recording says what its answers cost, and has no other powers."""
        return self if kind is Quotes else None  # type: ignore[return-value]

    def quote(self, request: Request, scope: Scope) -> Quote | None:
        """What was recorded for this question, exactly; where no cost was, its tokens at the price given."""
        try:
            line = self._find(self._lines(scope), request, scope)
        except (ModelError, TeamError):
            return Quote(0.0, 0.0)      # asking says what is wrong
        price, usage = self.card.price, line.usage
        if line.cost is not None:
            return Quote(line.cost, 0.0)
        return None if price is None else Quote(price.of(usage.prompt_tokens, usage.completion_tokens), 0.0)

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """The recorded text in one piece."""
        return stream_whole(self, request, draw, scope)

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """The recorded draws of this question."""
        self._refuse(request, draws, scope)
        lines = self._lines(scope)
        line = self._find(lines, request, scope)
        numbers = [0] * draws.n if request.sampling.greedy else range(draws.first, draws.first + draws.n)
        if max(numbers) >= len(line.texts):
            most = max(len(other.texts) for other in lines.values())
            kind = TeamError if max(numbers) >= most else ModelError
            raise kind(f"draw {max(numbers)} of {self.card.name} was asked for; {len(line.texts)} are recorded for this "
                       f"question, at most {most} for any. `consilience record --draws {max(numbers) + 1}` records so many of a live "
                       "model")
        return [self._reply(line, number, request) for number in numbers]

    def _refuse(self, request: Request, draws: Draws, scope: Scope) -> None:
        plain = request.form in (None, "answer") and not request.fields and not request.prefix
        if not plain or len([m for m in request.messages if m.role != "system"]) > 1:
            raise TeamError(f"{self.card.name} is recorded: it was asked the question alone, not "
                            f"{f'the prompt form {request.form!r}' if request.form else 'a prefix or a conversation'}")
        if draws.stream:
            raise TeamError(f"{self.card.name} is recorded: there are no further draws of it (stream {draws.stream!r})")
        if "logprobs" in scope.extras:
            raise TeamError(f"{self.card.name} is recorded without token log-probabilities")

    def _lines(self, scope: Scope) -> dict[int, Line]:
        variant = self.variant or scope.variant
        if (self.model, variant) not in self.recording.models:
            raise TeamError(f"{self.model} was recorded under several variants ({', '.join(sorted(self.variants))}); "
                            f"name one: {self.model}@{self.variants[0]}")
        return self.recording.models[self.model, variant]

    def _find(self, lines: Mapping[int, Line], request: Request, scope: Scope) -> Line:
        numbers = [n for n in self.recording.find(scope.example, request.question) if n in lines]
        if not numbers:
            about = f"{scope.example!r} ({request.question[:80]!r})" if scope.example else repr(request.question[:80])
            dataset, some = next(iter(self.recording.names))
            raise ModelError(f"{self.card.name} has no recorded answer to {about} in {self.recording.path.name}. A recording "
                             "answers what is in it, word for word or by id: consilience ask TEAM --task "
                             f"'recorded:{self.recording.path}#{dataset}' --example {some}", reason="not-recorded")
        if len({id(lines[n]) for n in numbers}) > 1:
            raise ModelError(f"{self.card.name}: {len(numbers)} recorded questions have this text; the example id "
                             f"{scope.example!r} is none of theirs", reason="not-recorded")
        return lines[numbers[0]]

    def _reply(self, line: Line, number: int, request: Request) -> Reply:
        text, answer = line.texts[number], line.answers[number]
        reading = request.format.read(answer) if request.format is not None and answer is not None else None
        note = {**line.note, "answer_only": True} if text is None and answer is not None else line.note
        return Reply(answer if text is None else text, reading, usage=line.usage, cost=line.cost, seconds=line.seconds,
                     model=self.card.name, draw=number, score=line.scores[number], note=note)


def recorded_models(path: str | Path) -> list[Recorded]:
    """All models of a file, one for each variant, in order of appearance."""
    recording = Recording.load(path)
    return [Recorded(recording, model, variant) for model, variant in recording.models]


async def record(model: Model, examples: Iterable[Example], path: str | Path, *, draws: int = 1,
                 window: int = 64) -> int:
    """Write a model's answers to a `.jsonl` file in the recorded format; returns the number of lines written.

    Lines that the file already holds are kept and not asked again (a last line cut by a crash is taken off).
    Questions that the model cannot answer are left out; if it answers none, the first
    error is raised. ConfigError where the file holds fewer draws of the model than are wanted now.
    """
    path, examples = Path(path), list(examples)
    if path.suffix != ".jsonl":
        raise ConfigError(f"{path}: answers are recorded to a .jsonl file; compress it afterwards with gzip if you like")
    path.parent.mkdir(parents=True, exist_ok=True)
    done = _already(path, model.card.name)
    if scarce := [n for e in examples if (n := done.get((e.task, e.id), draws)) < draws and not e.request.sampling.greedy]:
        raise ConfigError(f"{path} holds {min(scarce)} of the {draws} draws of {model.card.name} that are wanted for a question; "
                          "record them into another file")
    todo = iter([e for e in examples if (e.task, e.id) not in done])
    failures: list[ModelError | NoAnswerError] = []
    with path.open("a", encoding="utf-8") as file:
        async def work() -> int:
            """Ask for examples until none is left; the number of lines written."""
            written = 0
            for example in todo:
                try:
                    entry = await _entry(model, example, draws)
                except (ModelError, NoAnswerError) as error:
                    failures.append(error)
                    continue
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
                file.flush()
                written += 1
            return written

        written = sum(await asyncio.gather(*(work() for _ in range(window))))
    if failures and not written:
        raise failures[0]
    return written


def _already(path: Path, model: str) -> dict[tuple[str, str], int]:
    """Questions that the file holds answers of the model to, and how many draws."""
    if not path.exists():
        return {}
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        data = data[:data.rfind(b"\n") + 1]
        with path.open("r+b") as file:
            file.truncate(len(data))
    lines: Iterator[dict[str, Any]] = (json.loads(line) for line in data.splitlines() if line.strip())
    try:
        return {(entry["dataset"], str(entry["id"])): len(entry["responses"]) if "responses" in entry else 1
                for entry in lines if entry["model"] == model}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} holds something else than recorded answers ({error}); name another file") from None


async def _entry(model: Model, example: Example, draws: int) -> dict[str, Any]:
    request, scope = example.request, Scope(example=example.id)
    replies = await model.generate(request, Draws(draws), scope)
    readings = [reply.reading if request.format is None or reply.text is None else request.format.read(reply.text)
                for reply in replies]
    entry: dict[str, Any] = {"dataset": example.task, "id": example.id, "prompt": request.question,
                             "model": model.card.name}
    if example.references:
        entry["reference"] = example.references[0] if len(example.references) == 1 else list(example.references)
    scores = None
    if request.format is not None and example.references:
        scores = [await request.format.score(reading, example.references) for reading in readings]
    texts = [reply.text for reply in replies]
    if draws == 1:
        entry |= {"response": texts[0], "answer": readings[0]} | ({"score": scores[0]} if scores else {})
    else:
        entry |= {"responses": texts, "answers": readings} | (
            {"sample_scores": scores, "score": sum(scores) / len(scores)} if scores else {})
    usage = sum((reply.usage for reply in replies), start=Usage())
    cost = total_cost(replies)
    entry |= {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens,
              "duration_ms": round(1000 * max(reply.seconds for reply in replies), 3)}
    return {key: value for key, value in entry.items() if value is not None} | ({} if cost is None else {"cost_usd": cost})
