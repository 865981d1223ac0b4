"""The one interface: a `Model` answers requests. Endpoints, checkpoints, recordings, wrappers and teams all are one.

What else a model can do is a *power*, asked for with `model.power(Score)`, never with `isinstance`: a wrapper or a
team answers for what it really passes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from consilience.types import Draws, Event, Quote, Reply, Request, Scope, Token, Usage, Wording

if TYPE_CHECKING:
    import numpy as np

P = TypeVar("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured(Generic[T]):
    """What a power gave, and what it took: calls, tokens read, dollars (None = unknown), seconds."""

    value: T
    usage: Usage = Usage(calls=1)
    cost: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Dollars for one call."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


@dataclass(frozen=True, slots=True)
class Card:
    """Facts about a model.

    `fingerprint` changes whenever its answers could (weights, revision, endpoint, options). `forms` are its own
    wordings of prompt forms; `renders` is False for teams, which hand a request on as it is. `powers` and `settings`
    (such as `seed`, `logprobs`, `top_k`) say what it honours; anything else is refused, never dropped.
    `spec` is the text that `consilience.member` makes this model from again, such as `openai:gpt-4o-mini`.
    """

    name: str
    fingerprint: str
    price: Price | None = None
    context: int | None = None
    description: str = ""
    parameters: int | None = None
    powers: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    forms: Mapping[str, Wording] = field(default_factory=dict)
    renders: bool = True
    recorded: bool = False
    spec: str = ""


class Model(Protocol):
    """Anything that answers."""

    @property
    def card(self) -> Card:
        """Facts: name, fingerprint, price, powers."""
        ...

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """One reply per draw, in order. Raises ModelError when the model cannot answer."""
        ...

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """Deltas and progress of one draw, ending with a `done` event whose reply's text is the sum of the deltas."""
        ...

    def power(self, kind: type[P]) -> P | None:
        """The power of this kind, or None when the model does not offer it."""
        ...


@runtime_checkable
class Combiner(Protocol):
    """A pure function of the members' next-token distributions, equal by value, so that rows share a batch.

    `combine(logits)` takes a float32 tensor [members, rows, vocabulary] of raw logits, on one device, and returns
    scores [rows, vocabulary] that the sampler turns into probabilities by softmax. Two attributes are optional:
    `reads`, the indices of the members that it takes (in that order; the others are not run), and
    `without(gone: frozenset[int]) -> Combiner | None`, the combiner that goes on when members at these places of
    `logits` have left a row (None: the row fails, as it does without this method).
    """

    def combine(self, logits: Any) -> Any:
        """Scores of the next token, [rows, vocabulary]."""
        ...


class HandOver(Protocol):
    """Says token by token who is run and who writes: a pure function of what is seen, equal by value.

    Methods subclass `decode.policy.Policy`, which names what is seen (`Sight`), what is decided (`Move`) and the options.
    """

    def decide(self, sight: Any) -> Any:
        """Who must be asked before the row can go on, or who writes."""
        ...


class NextTokens(Protocol):
    """Next-token distributions, full or sparse, of models that write one text together.

    Optional: `quoted(quote, request)`, what a jointly written text costs where that is more than one reply.
    """

    @property
    def host(self) -> object:
        """Models decode together only on one host."""
        ...

    @property
    def vocabulary(self) -> str:
        """Digest of the id-to-token map; equal digests may be mixed by id."""
        ...

    def refuses(self, peers: Sequence[NextTokens], *, mixed: bool = False) -> str | None:
        """Why these models (self among them) cannot decode together, such as another host, another vocabulary (unless
        `mixed`) or too little memory for all of them at once; None when they can. Asked when a team is bound."""
        ...

    async def decode(self, peers: Sequence[NextTokens], requests: Sequence[Request], combiner: Combiner | HandOver,
                     draws: Draws, scope: Scope, state: Sequence[float] = ()) -> list[Reply]:
        """Decode one text with `peers` (self first): `requests[i]` is the rendered prompt of `peers[i]`, the sampling is
        that of `requests[0]`, and every token is drawn as the combiner or policy says; `state` are the numbers that a
        policy's row begins with. One reply per draw. A peer that left is in `absent`; `note` says who wrote how much."""
        ...

    async def next(self, request: Request, choices: Sequence[str]) -> Measured[list[float]]:
        """Log-probability of each of `choices` as the text that follows the prompt and prefix."""
        ...


class Continue(Protocol):
    """`Request.prefix` is honoured: the model goes on from a partial answer."""


class Score(Protocol):
    """Log-probabilities of a given text."""

    async def score(self, request: Request, text: str) -> Measured[list[Token]]:
        """The tokens of `text` as an answer to `request`, each with its log-probability."""
        ...


class Verify(Protocol):
    """Rates answers."""

    async def verify(self, request: Request, answers: Sequence[str]) -> Measured[list[float | None]]:
        """One score per answer, higher is better; None where no score can be given."""
        ...


class Embed(Protocol):
    """Vectors of texts."""

    async def embed(self, texts: Sequence[str]) -> Measured[np.ndarray]:
        """Float32 array [texts, dimensions]."""
        ...


class Hidden(Protocol):
    """Hidden states of a given text."""

    async def hidden(self, request: Request, text: str, before: int = 0) -> Measured[np.ndarray]:
        """Float32 array [layers + 1, before + tokens, width]: of `before` tokens of the prompt's end, then of the text."""
        ...


class Quotes(Protocol):
    """Says before a call what it may cost."""

    def quote(self, request: Request, scope: Scope) -> Quote | None:
        """What one draw may cost; None where the price is unknown."""
        ...


class Weights(Protocol):
    """Access to the checkpoint."""

    @property
    def path(self) -> Path:
        """Folder with config.json, tokenizer files and safetensors (adapters already merged in)."""
        ...

    def sibling(self, path: Path, name: str) -> Model:
        """The checkpoint at `path` as a model on the same host, with this model's card (price, wordings)."""
        ...


POWERS: Mapping[str, type] = {p.__name__: p for p in (NextTokens, Continue, Score, Verify, Embed, Hidden, Weights)}
"""All kinds of power by name, as cards and error messages show them."""


def unworn(power: NextTokens) -> NextTokens:
    """The power of the model itself, below the wrappers that count its calls: decoding in lockstep needs that."""
    own: NextTokens = getattr(power, "unworn", power)
    return own


def powers_of(model: Model) -> frozenset[str]:
    """Names of the powers that `model` really offers."""
    return frozenset(name for name, kind in POWERS.items() if model.power(kind) is not None)


@asynccontextmanager
async def streaming(model: Model, request: Request, draw: Draws, scope: Scope) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a model's stream. However the block is left, the stream has ended by then: nothing goes on behind it, and
    what it has set aside is free again."""
    events = model.stream(request, draw, scope)
    try:
        yield events
    finally:
        if (close := getattr(events, "aclose", None)) is not None:
            await close()


async def stream_whole(model: Model, request: Request, draw: Draws, scope: Scope) -> AsyncIterator[Event]:
    """A stream for models that only answer at once: one delta, then `done`."""
    [reply] = await model.generate(request, draw, scope)
    if reply.text:
        yield Event("delta", reply.text)
    yield Event("done", reply=reply)
