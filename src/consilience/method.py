"""What a method is: a frozen value whose fields are its options, with one `run` per question and, where it learns, a `fit`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, Self, TypeAlias, get_args

from consilience.errors import ConfigError, TeamError
from consilience.gather import Member, Members
from consilience.model import Model, powers_of
from consilience.prompt import LETTERS
from consilience.types import Draws, Example, Reply, Request, Wording, digest
from consilience.wordings import chosen, spoken_digest

if TYPE_CHECKING:
    import numpy as np

Count: TypeAlias = Annotated[int, "at least 1"]
"""The type of an option that is a number of things: at least 1, checked when a method is made."""

Share: TypeAlias = Annotated[float, "from 0 to 1"]
"""The type of an option that is a share or probability: from 0 to 1, checked likewise."""


Prompts: TypeAlias = Mapping[str, str | Wording]
"""Wordings by name: a text with places such as {question}, or {text: ..., item: ...}."""


def kebab(name: str) -> str:
    """The name of a method by that of its class: `MajorityVote` is `majority-vote`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _is(hint: Any, name: str, kind: Any) -> bool:
    """Whether an annotation is `kind`, or `kind | None`: as text, where annotations are put off, or as it is."""
    return hint.partition(" ")[0] == name if isinstance(hint, str) else kind in (hint, *get_args(hint))


class Level(StrEnum):
    """How members exchange information."""

    ROUTE = "route"
    TEXT = "text"
    TOKEN = "token"
    LATENT = "latent"
    WEIGHT = "weight"
    SEARCH = "search"


@dataclass(frozen=True, slots=True)
class Role:
    """A part that a model plays beside the members.

    `needs` are the powers it must offer. When the user names nobody, `default` fills it: `best` (the best member on
    dev, without dev the first), `worst` (on dev; without dev the last), `first`, `none` (nobody), or `""` (must be named).
    """

    name: str
    needs: tuple[type, ...] = ()
    default: str = "best"
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """A reply to an example with its score; `reply` is None where the model was absent (score 0)."""

    reply: Reply | None
    score: float


class Dev(Protocol):
    """The examples that a method may learn from. The test split never has this type's data in it."""

    @property
    def examples(self) -> Sequence[Example]:
        """The questions with their references."""
        ...

    async def replies(self, models: Sequence[Model], draws: Draws = Draws(),
                      extras: frozenset[str] = frozenset()) -> list[list[Scored]]:
        """`[model][example]`: the scored first draw of each model (drafts that the whole experiment shares)."""
        ...

    async def evaluate(self, method: Method | Model, members: Sequence[Model] = ()) -> list[float]:
        """Score per example of a method with these members, or of a model (such as a team) as it is."""
        ...

    def folds(self, k: int) -> list[Dev]:
        """k parts, disjoint by content."""
        ...


@dataclass(frozen=True, slots=True)
class Learned:
    """What fitting found: JSON values and numeric arrays, saved as JSON and safetensors."""

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of values and arrays."""
        return digest([self.values, {k: [str(a.dtype), list(a.shape), digest(a.tobytes().hex())]
                                     for k, a in sorted(self.arrays.items())}])


@dataclass(frozen=True, slots=True)
class Cast:
    """The models of a team before any question: members, other roles, and mean dev scores of the members."""

    members: tuple[Model, ...]
    roles: Mapping[str, tuple[Model, ...]] = field(default_factory=dict)
    standing: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Last:
    """The last ask of a method, not yet made: `Team.generate` makes it, `Team.stream` streams it.

    A member that fails or says nothing passes the ask on to the members of `then`, in order, who are asked `instead` where
    that is given. `otherwise`, the best reply so far, answers when the ask fails, cannot be read or cannot be paid.
    """

    member: Member
    request: Request
    otherwise: Reply | None = None
    note: Mapping[str, Any] = field(default_factory=dict)
    then: Sequence[Member] = ()
    instead: Request | None = None

    def asks(self) -> list[tuple[Member, Request]]:
        """Who is asked what, one after the other until somebody says something."""
        return [(self.member, self.request), *((member, self.instead or self.request) for member in self.then)]

    @classmethod
    def ranked(cls, ranking: Sequence[Member], request: Request, **note: Any) -> Self:
        """Ask the first of a ranking; when it fails or says nothing, the next."""
        return cls(ranking[0], request, None, note, tuple(ranking[1:]))


@dataclass(frozen=True)
class Method(ABC):
    """An algorithm by which members collaborate.

    Subclasses are frozen dataclasses; their fields are the options of Python, YAML, command line and docs alike.
    """

    name: ClassVar[str] = ""
    """Kebab-case name in YAML and tables; made from the class name when empty."""
    level: ClassVar[Level]
    paper: ClassVar[str] = ""
    """Source: title and arXiv id."""
    cost: ClassVar[str] = ""
    """Calls per question as arithmetic over N (members) and the options, at most: `N*rounds + 1`."""
    needs: ClassVar[tuple[type, ...]] = ()
    """Powers that every member must offer."""
    roles: ClassVar[tuple[Role, ...]] = ()
    min_members: ClassVar[int] = 1
    reads: ClassVar[bool] = True
    """Whether it reads members' texts; False for methods that also work on recorded scores alone."""
    compares: ClassVar[bool] = False
    """Whether it compares readings, so that the request must have an answer format."""
    mixed: ClassVar[bool] = False
    """For the token level: whether members may have different vocabularies."""
    must_fit: ClassVar[bool] = False
    """Whether it cannot run before `fit`."""
    extras: ClassVar[frozenset[str]] = frozenset()
    """Extras wanted with the members' drafts, such as `logprobs`."""

    learned: Learned | None = field(default=None, kw_only=True, repr=False)

    prompts: Prompts = field(default_factory=dict, kw_only=True, hash=False, repr=False)
    """Wordings of yours for its prompts, by the names that `consilience methods NAME --prompts` shows."""
    quorum: Count = field(default=1, kw_only=True, repr=False)
    """Members that must answer when several are asked at once (at most all of them); with fewer there is no answer, or the last
    round's stands."""
    timeout: float | None = field(default=None, kw_only=True, repr=False)
    """Seconds after which a member that was asked is absent: recorded seconds in a benchmark, the clock's when somebody waits."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = kebab(cls.__name__)

    def __post_init__(self) -> None:
        """ConfigError for a `Count` below 1 or a `Share` that is none, and for a method without a level."""
        if not hasattr(self, "level"):
            raise ConfigError(f"{self.name} has no level; it needs one, as in `level: ClassVar = Level.TEXT`")
        for option in fields(self):
            value = getattr(self, option.name)
            if _is(option.type, "Count", Count) and not value >= 1:
                raise ConfigError(f"{self.name}: {option.name} must be at least 1, got {value}")
            if _is(option.type, "Share", Share) and value is not None and not 0 <= value <= 1:
                raise ConfigError(f"{self.name}: {option.name} must be between 0 and 1, got {value}")
        if self.timeout is not None and not self.timeout > 0:
            raise ConfigError(f"{self.name}: timeout is in seconds, above 0, got {self.timeout}")
        if self.level in (Level.TOKEN, Level.LATENT, Level.WEIGHT) and (self.timeout is not None or self.quorum > 1):
            raise ConfigError(f"{self.name}: its members write one text together, so there is no quorum and no timeout")
        if self.prompts:
            object.__setattr__(self, "prompts", chosen(type(self), self.prompts, self.name))

    @abstractmethod
    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Answer one question. Return what was chosen or written; the team adds parts, bill and absences."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Learn from dev, once. The default learns nothing."""
        return self

    async def make(self, cast: Cast) -> Model | None:
        """Make the one model that answers for the team (merging methods); None for all others."""
        return None

    def check(self, cast: Cast) -> None:
        """Raise TeamError when the options do not fit these models. Asked when a team is bound, before any call."""

    @property
    def learns(self) -> bool:
        """Whether `fit` does anything."""
        return type(self).fit is not Method.fit

    def options(self) -> dict[str, Any]:
        """The options by name; of those that every method has, the ones that were given."""
        told = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "learned"}
        return {name: value for name, value in told.items() if name not in COMMON or value != COMMON[name]}

    @property
    def speech(self) -> str:
        """Digest of the wordings in force."""
        return spoken_digest(type(self), self.prompts)  # type: ignore[arg-type]  # checked when it was made

    def with_learned(self, values: Mapping[str, Any], **arrays: np.ndarray) -> Self:
        """A fitted copy."""
        return replace(self, learned=Learned(values, arrays))

    def found(self) -> Learned:
        """What was learned; a TeamError when the method was not fitted."""
        if self.learned is None:
            raise TeamError(f"{self.name} must be fitted before it answers: team.fit(dev), or `consilience fit`")
        return self.learned

    def key(self) -> list[Any]:
        """What tells one configured, fitted method from another."""
        return [self.name, {k: repr(v) for k, v in self.options().items()},
                self.learned.digest if self.learned is not None else None]


@cache
def _adapter(kind: type) -> Any:
    """Checks and writes the values of a class."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


@dataclass(frozen=True)
class Ordered(Method):
    """A method that improves over a stream of questions, asked one at a time: it has a `step` instead of a `run`.

    Its memory is made of questions and of what models said, never of references. It is a frozen dataclass of JSON values
    (`keeps`), which users can read, change and clear.
    """

    keeps: ClassVar[type]
    """The class of its memory; made without arguments it is the empty one."""

    def first(self) -> Any:
        """The empty memory."""
        return self.keeps()

    @abstractmethod
    async def step(self, request: Request, members: Members, memory: Any) -> tuple[Reply | Last, Any]:
        """Answer one question by the memory of the questions before it; give the answer and the memory after it. When it
        raises, or the last ask fails, the memory stays what it was."""

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Answer with an empty memory, and forget."""
        return (await self.step(request, members, self.first()))[0]

    def told(self, memory: Any) -> Any:
        """A memory as JSON values."""
        return _adapter(self.keeps).dump_python(memory, mode="json")

    def recalled(self, told: Any) -> Any:
        """The memory in JSON values. Raises ConfigError that names what does not fit."""
        from pydantic import ValidationError

        try:
            return _adapter(self.keeps).validate_python(told)
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors()[:3]]
            raise ConfigError(f"this is no memory of {self.name}: {'; '.join(faults)}. It looks like "
                              f"{self.told(self.first())} when it is empty") from None


COMMON: Mapping[str, Any] = {"prompts": {}, "quorum": 1, "timeout": None}
"""Options that every method has, with their defaults."""


def lacking(models: Sequence[Model], needs: Sequence[type]) -> dict[str, list[str]]:
    """For each model that lacks some of the powers `needs`: which."""
    return {m.card.name: names for m in models if (names := [k.__name__ for k in needs if m.power(k) is None])}


def check_letters(method: str, what: str, n: int) -> None:
    """TeamError where a method has more things to letter than there are letters."""
    if n > LETTERS:
        raise TeamError(f"{method} letters its {what}, at most {LETTERS}; got {n}")


def check_needs(method: str, who: str, models: Sequence[Model], needs: Sequence[type]) -> None:
    """TeamError naming the powers that are missing, what the models offer instead, and who would do."""
    missing = lacking(models, needs)
    if not missing:
        return
    able = [m.card.name for m in models if m.card.name not in missing]
    lines = [f"{name} does not offer {', '.join(names)} (it offers: "
             f"{', '.join(sorted(powers_of(next(m for m in models if m.card.name == name)))) or 'text only'})"
             for name, names in missing.items()]
    raise TeamError(f"{method} needs {', '.join(k.__name__ for k in needs)} from {who}, but {'; '.join(lines)}."
                    + (f" Members that do: {', '.join(able)}." if able else ""))
