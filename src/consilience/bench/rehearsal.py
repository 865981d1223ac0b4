"""Rehearsing members: they answer at once, with stand-in text of known lengths, and count what would be asked."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from consilience.model import Card, Combiner, HandOver, Measured, Model, NextTokens, Quotes, stream_whole
from consilience.prompt import letter, render
from consilience.store import Store, draw_key
from consilience.types import AnswerFormat, Draws, Event, Quote, Reply, Request, Scope, Token, Usage

P = TypeVar("P")

REPLY_TOKENS = 128
"""Length of a reply of which nothing is known (or the limit of the request, if that is lower)."""
TOKENS_PER_SECOND = 50.0
"""Speed of a member of which nothing is known."""
CHARACTERS_PER_TOKEN = 4.0
DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Call:
    """One call that would be made. `cost` is in US dollars, None where the price is unknown."""

    usage: Usage
    cost: float | None
    seconds: float


@dataclass(slots=True)
class Rehearsal:
    """What all members were asked so far: by draw, so that what is shared counts once, and all calls one by one."""

    agree: bool
    store: Store | None = None
    drafts: dict[tuple[Any, ...], Call] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    lengths: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def book(self, key: tuple[Any, ...], call: Call) -> None:
        """Count a call; one without a key of its own is never shared."""
        self.calls.append(call)
        self.drafts.setdefault(key or ("call", len(self.calls)), call)

    def learn(self, name: str, reply: Reply) -> None:
        """Note a recorded length."""
        self.lengths.setdefault(name, []).append((reply.usage.completion_tokens, reply.seconds))

    def expect(self, name: str, request: Request) -> tuple[int, float]:
        """Completion tokens and seconds of a reply: the member's recorded mean, else an assumption."""
        seen = self.lengths.get(name)
        if seen:
            return round(sum(n for n, _ in seen) / len(seen)), sum(s for _, s in seen) / len(seen)
        tokens = min(request.sampling.max_tokens, REPLY_TOKENS)
        return tokens, tokens / TOKENS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Rehearsing:
    """Stands in for a model: all agree (and are sure), or all disagree (and are not)."""

    inner: Model
    place: int
    rehearsal: Rehearsal

    @property
    def card(self) -> Card:
        """The card of the model."""
        return self.inner.card

    def power(self, kind: type[P]) -> P | None:
        """Every power that the model offers, rehearsed."""
        return None if self.inner.power(kind) is None else self  # type: ignore[return-value]

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """The stand-in reply in one piece."""
        return stream_whole(self, request, draw, scope)

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """Stand-in replies; kept draws have their recorded lengths."""
        asked = render(request, self.card)
        numbers = [0] * draws.n if request.sampling.greedy else range(draws.first, draws.first + draws.n)
        stream = "" if request.sampling.greedy else draws.stream
        return [self._reply(request, asked, draw_key(asked, self.card.fingerprint), stream, n) for n in numbers]

    def _reply(self, request: Request, asked: Request, key: str, stream: str, draw: int) -> Reply:
        kept = self._kept(f"{key}/{stream}/{draw}")
        if kept is not None:
            self.rehearsal.learn(self.card.name, kept)
            call = Call(kept.usage, kept.cost, kept.seconds)
        else:
            call = self._call(asked, *self.rehearsal.expect(self.card.name, request))
        self.rehearsal.book((key, stream, draw), call)
        tokens = (Token("", self._logprob()),)
        return Reply(self._text(request.format, draw), usage=call.usage, cost=call.cost, seconds=call.seconds,
                     model=self.card.name, draw=draw, tokens=tokens)

    def quote(self, request: Request, scope: Scope) -> Quote | None:
        """What the model itself says."""
        power = self.inner.power(Quotes)
        return power.quote(request, scope) if power is not None else None

    def draft(self, request: Request) -> None:
        """Count one call of draft length that nothing else shares."""
        asked = render(request, self.card)
        self.rehearsal.book((), self._call(asked, *self.rehearsal.expect(self.card.name, request)))

    def _kept(self, one: str) -> Reply | None:
        return self.rehearsal.store.draws([one]).get(one) if self.rehearsal.store is not None else None

    def _call(self, asked: Request, completion: int, seconds: float) -> Call:
        prompt = math.ceil(sum(len(m.content) for m in asked.messages) / CHARACTERS_PER_TOKEN)
        price = self.card.price
        return Call(Usage(1, prompt, completion), price.of(prompt, completion) if price is not None else None, seconds)

    def _logprob(self) -> float:
        return -0.001 if self.rehearsal.agree else -4.0 - 0.01 * self.place

    def _text(self, form: AnswerFormat | None, draw: int) -> str:
        variety = 0 if self.rehearsal.agree else self.place + 7 * draw
        for text in (f"Answer: {letter(variety % 26)}", f"Answer: {letter(variety % 2)}", f"Answer: {variety + 1}",
                     "yes" if variety % 2 == 0 else "no"):
            if form is None or form.read(text) is not None:
                return text
        return f"Answer: answer{variety}"

    def _measure(self, request: Request | None, value: Any) -> Measured[Any]:
        call = self._call(request if request is not None else Request(()), 0, 1 / TOKENS_PER_SECOND)
        self.rehearsal.book((), call)
        return Measured(value, call.usage, call.cost, call.seconds)

    async def verify(self, request: Request, answers: Sequence[str]) -> Measured[list[float | None]]:
        """Equal or falling scores."""
        return self._measure(request, [1.0 if self.rehearsal.agree else 1 / (i + 2) for i in range(len(answers))])

    async def score(self, request: Request, text: str) -> Measured[list[Token]]:
        """One token."""
        return self._measure(request, [Token(text, self._logprob())])

    async def next(self, request: Request, choices: Sequence[str]) -> Measured[list[float]]:
        """All on the first choice, or an even spread."""
        even = -math.log(max(1, len(choices)))
        return self._measure(request, [(-0.01 if i == 0 else -9.0) if self.rehearsal.agree else even
                                       for i in range(len(choices))])

    async def embed(self, texts: Sequence[str]) -> Measured[Any]:
        """Fixed vectors."""
        return self._measure(None, np.eye(DIMENSIONS, dtype=np.float32)[[len(t) % DIMENSIONS for t in texts]])

    async def hidden(self, request: Request, text: str, before: int = 0) -> Measured[Any]:
        """Zeros."""
        return self._measure(request, np.zeros((2, before + 1, DIMENSIONS), np.float32))

    @property
    def host(self) -> object:
        """That of the model."""
        power = self.inner.power(NextTokens)
        return power.host if power is not None else None

    @property
    def vocabulary(self) -> str:
        """That of the model."""
        power = self.inner.power(NextTokens)
        return power.vocabulary if power is not None else ""

    def refuses(self, peers: Sequence[Any], *, mixed: bool = False) -> str | None:
        """What the model itself says of decoding with the models of these peers."""
        own, others = self.inner.power(NextTokens), [peer.inner.power(NextTokens) for peer in peers]
        return own.refuses(others, mixed=mixed) if own is not None else None

    async def decode(self, peers: Sequence[Any], requests: Sequence[Request], combiner: Combiner | HandOver,
                     draws: Draws, scope: Scope, state: Sequence[float] = ()) -> list[Reply]:
        """One stand-in text; every peer reads its prompt and computes every token."""
        replies = []
        for draw in range(draws.first, draws.first + draws.n):
            tokens, seconds = self.rehearsal.expect(self.card.name, requests[0])
            calls = [peer._call(request, tokens, seconds) for peer, request in zip(peers, requests, strict=True)]
            for call in calls:
                self.rehearsal.book((), call)
            costs = [call.cost for call in calls]
            replies.append(Reply(self._text(requests[0].format, draw), usage=sum((c.usage for c in calls), start=Usage()),
                                 cost=None if None in costs else sum(c or 0.0 for c in costs),
                                 seconds=sum(c.seconds for c in calls), model=self.card.name, draw=draw))
        return replies
