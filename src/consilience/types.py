"""The values that flow through the house. All are frozen; none knows a model, a file or a clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, ClassVar, Protocol, Self, TypeVar

from consilience.errors import ConfigError

Fields = tuple[tuple[str, "str | tuple[str, ...]"], ...]
"""Named parts of a prompt: texts, or lists of texts (peers, candidates, options)."""


V = TypeVar("V")


@cache
def _layout(cls: type) -> tuple[Callable[[Any], tuple[Any, ...]], dict[str, int]]:
    names = [f.name for f in fields(cls)]
    return attrgetter(*names), {name: place for place, name in enumerate(names)}


def _changed(value: V, changes: Mapping[str, Any]) -> V:
    """What `dataclasses.replace` does, at a quarter of the time: several copies are made of every reply."""
    cls: Any = type(value)
    read, places = _layout(cls)
    parts = list(read(value))
    for name, part in changes.items():
        if name not in places:
            raise TypeError(f"{cls.__name__} has no field {name!r}")
        parts[places[name]] = part
    return cls(*parts)  # type: ignore[no-any-return]


def remembered(function: Callable[..., V]) -> Callable[..., V]:
    """A function that remembers its last few hundred results, for arguments that can be hashed: members of a team are
    asked the same, one after the other."""
    known = lru_cache(maxsize=512)(function)

    def ask(*arguments: Any) -> V:
        """The known value; arguments that cannot be hashed are computed anew."""
        try:
            return known(*arguments)
        except TypeError:       # tools and tool calls may hold dictionaries
            return function(*arguments)

    return ask


class AnswerFormat(Protocol):
    """What counts as an answer: how to read one from a text, tell equal ones, and score them. See `reading/`."""

    @property
    def name(self) -> str:
        """Stable name including parameters and version, such as `choice-4/1`."""
        ...

    @property
    def instruction(self) -> str:
        """One sentence that tells a model how to write its answer; may be empty."""
        ...

    def read(self, text: str) -> str | None:
        """The canonical answer in `text`, or None when none can be read (an abstention)."""
        ...

    async def group(self, readings: Sequence[str | None]) -> list[int | None]:
        """For each reading the index of its class of equal answers, numbered by first appearance; None abstains."""
        ...

    async def score(self, reading: str | None, references: Sequence[str]) -> float:
        """0..1: how well `reading` matches the best of `references`; an abstention scores 0."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str
    name: str | None = None
    tool_calls: tuple[Any, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Temperature 0 is greedy."""

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int | None = None
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """ConfigError for a value that no sampler could use."""
        if not (self.temperature >= 0 and 0 < self.top_p <= 1 and 0 <= self.min_p <= 1 and self.repetition_penalty > 0
                and self.max_tokens >= 1 and (self.top_k is None or self.top_k >= 1)):
            raise ConfigError(f"sampling: temperature >= 0, 0 < top_p <= 1, 0 <= min_p <= 1, repetition_penalty > 0, "
                              f"max_tokens >= 1 and top_k >= 1 are needed, got {self}")
        for name in ("temperature", "top_p", "min_p", "repetition_penalty"):
            object.__setattr__(self, name, float(getattr(self, name)))      # 0 and 0.0 are one, in keys too

    @property
    def greedy(self) -> bool:
        """True when every draw would be the same."""
        return self.temperature == 0


_sampling = attrgetter(*(f.name for f in fields(Sampling)))


@dataclass(frozen=True, slots=True)
class Wording:
    """A prompt as data: `text` with `{field}` places; a list field is written item by item with `item`."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}
    """How one is read from a file: an unknown key is an error."""

    text: str
    item: str = "{number}. {text}\n"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: content and nothing else.

    `form` names the prompt form in which the last user message (the question) is put to a model, with `fields` as
    its other parts; the model that finally answers renders it in its own wording (`prompt.py`). `form=None` sends the
    messages as they are. `prefix` is a partial answer to continue; replies hold only what follows it. `stage` names
    what a request without a form is asked for, in progress and traces; it changes no draw.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    seed: int = 0
    prefix: str = ""
    form: str | None = None
    fields: Fields = ()
    format: AnswerFormat | None = None
    tools: tuple[Any, ...] = ()
    stage: str = field(default="", compare=False)

    @classmethod
    def of(cls, question: str, **changes: Any) -> Self:
        """A request with one user message. ConfigError for a format that is none, such as its name."""
        format = changes.get("format")
        if format is not None and not hasattr(format, "read"):
            raise ConfigError(f"format: expected an answer format, such as consilience.reading.Number(), got {format!r}")
        return cls((Message("user", question),), **changes)

    @property
    def question(self) -> str:
        """Text of the last user message."""
        for message in reversed(self.messages):
            if message.role == "user":
                return message.content
        return ""

    def having(self, **changes: Any) -> Request:
        """A copy with other fields."""
        return _changed(self, changes)

    def sampled(self, **changes: Any) -> Request:
        """A copy with other sampling, such as `sampled(temperature=0, max_tokens=8)`."""
        return replace(self, sampling=replace(self.sampling, **changes))

    def content(self) -> dict[str, Any]:
        """Everything that a draw depends on, JSON-able; the answer format is outside."""
        return {
            "messages": [[m.role, m.content, m.name, list(m.tool_calls), m.tool_call_id] for m in self.messages],
            "sampling": list(_sampling(self.sampling)),
            "seed": self.seed, "prefix": self.prefix, "form": self.form,
            "fields": [list(pair) for pair in self.fields], "tools": list(self.tools),
        }

    def key(self) -> str:
        """Hex digest of `content()`."""
        return hexdigest(asked(self))


@dataclass(frozen=True, slots=True)
class Draws:
    """The samples wanted: draws `first .. first+n-1` of a stream."""

    n: int = 1
    first: int = 0
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent, in calls and tokens."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.calls + other.calls, self.prompt_tokens + other.prompt_tokens,
                     self.completion_tokens + other.completion_tokens)


@dataclass(frozen=True, slots=True)
class Token:
    """One emitted token with its log-probability and, where known, the likeliest alternatives."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """A member that gave nothing, and why (`down`, `timeout`, `budget`, `unread`, ...)."""

    member: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and its whole story: `parts` are the replies that it was made of, so trace, bill and blame are one tree.

    `stop` is `stop`, `length` or `error`. `cost` is in US dollars, None when a price is unknown (never 0 for unknown).
    `seconds` is the recorded time of the first generation; for a team, of its critical path. `score` is set only on
    recorded replies that carry one. `note` holds what a method decided (votes, route, confidence); that
    of a model says where it can whether a stop string ended the text (`stopped`) or the model itself. `prompt` is what was
    sent, in the model's own wording, before its chat template; it is kept only where the scope's extras ask for it.
    """

    text: str | None
    reading: str | None = None
    stop: str = "stop"
    usage: Usage = Usage()
    cost: float | None = None
    seconds: float = 0.0
    model: str = ""
    asked: str = ""
    draw: int = 0
    started: float = 0.0
    reasoning: str = ""
    tokens: tuple[Token, ...] | None = None
    score: float | None = None
    parts: tuple[Reply, ...] = ()
    absent: tuple[Absent, ...] = ()
    unread: bool = False
    note: Mapping[str, Any] = field(default_factory=dict)
    prompt: tuple[Message, ...] = ()

    def having(self, **changes: Any) -> Reply:
        """A copy with other fields."""
        return _changed(self, changes)

    def noting(self, **note: Any) -> Reply:
        """A copy whose note also says these things."""
        return _changed(self, {"note": {**self.note, **note}})

    def read(self, format: AnswerFormat | None) -> Reply:
        """A copy with its reading in `format`, where it has text and no reading yet."""
        if self.reading is not None or self.text is None or format is None:
            return self
        return self.having(reading=format.read(self.text))

    def unreadable(self, format: AnswerFormat | None) -> bool:
        """Whether an answer was wanted and none is found, after `read`. A recorded score without a text is no answer to
        be read."""
        return format is not None and self.reading is None and not (self.text is None and self.score is not None)

    @property
    def logprob(self) -> float | None:
        """Mean log-probability of the emitted tokens, or None where they are unknown."""
        return sum(t.logprob for t in self.tokens) / len(self.tokens) if self.tokens else None


def total_cost(replies: Sequence[Reply]) -> float | None:
    """Sum of costs; unknown when any is unknown."""
    costs = [r.cost for r in replies]
    return None if any(c is None for c in costs) else float(sum(c for c in costs if c is not None))


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream: `delta` (a piece of text), `progress` (a note), or `done` (the finished reply)."""

    kind: str
    text: str = ""
    reply: Reply | None = None


class Ledger(Protocol):
    """A nested budget: reserve before a call, settle after it. See `models/wrappers/budgeted.py`."""

    def reserve(self, amount: float) -> Reservation:
        """Set `amount` dollars aside, or raise BudgetError."""
        ...

    def split(self, amount: float) -> Ledger:
        """A child ledger of `amount` dollars, or BudgetError."""
        ...

    def close(self) -> None:
        """Return what a child leaves to where it came from."""
        ...

    @property
    def left(self) -> float:
        """Dollars that may still be reserved."""
        ...


class Reservation(Protocol):
    """Money set aside for one call."""

    def settle(self, spent: float) -> None:
        """Book what was spent and return the rest."""
        ...


@dataclass(frozen=True, slots=True)
class Quote:
    """What a draw may cost, in US dollars: `fixed` for the prompt, `each` for every token of the answer."""

    fixed: float
    each: float


@dataclass(frozen=True, slots=True)
class Scope:
    """What travels with a call and never enters a key: the budget, the deadline, whose question it is, wanted extras.

    `deadline` is in Unix seconds (`time.time()`). `extras` may hold `logprobs`, `alternatives` (as many likely tokens with
    them as the model gives) and `prompts` (what was sent stays with each reply of a call tree). `example` and `variant` let recorded
    members find their line. `live` says that somebody waits for the answer: timeouts then go by the wall clock, else by
    recorded seconds. `watch` is told of every ask of a team, and of teams in it, as it begins: `kitchen: refine`.
    """

    ledger: Ledger | None = None
    deadline: float | None = None
    example: str = ""
    variant: str = ""
    extras: frozenset[str] = frozenset()
    live: bool = False
    watch: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One question of a task with its reference answers.

    `cluster` groups questions that share a source (a passage, a template) for clustered errors; `skill` names a
    sub-task for breakdowns; `solution` is a worked solution where there is one.
    """

    id: str
    request: Request
    references: tuple[str, ...] = ()
    task: str = ""
    skill: str = ""
    cluster: str = ""
    solution: str = ""

    @property
    def question(self) -> str:
        """The question's text."""
        return self.request.question


def digest(value: Any) -> str:
    """Hex SHA-256 (32 characters) of a JSON-able value, independent of dictionary order."""
    return hexdigest(canonical(value))


def hexdigest(text: str) -> str:
    """Hex SHA-256 (32 characters) of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@remembered
def asked(request: Request) -> str:
    """The content of a request as canonical JSON."""
    return canonical(request.content())


canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str).encode
