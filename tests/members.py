"""Scripted members for tests: real models of the protocol whose answers a test lays down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from consilience.errors import ModelError
from consilience.model import Card, Measured, Price, Verify, stream_whole
from consilience.prompt import render
from consilience.types import Draws, Event, Reply, Request, Scope, Token, Usage

Answer = str | None | Exception | Reply


@dataclass
class Scripted:
    """A member that answers from a script.

    `answers` is a list (draw d gives `answers[d % len]`), or a function of (request as put, draw). An exception is
    raised, None is an empty text. `asked` lists what it was asked, as put and as rendered.
    """

    name: str
    answers: Sequence[Answer] | Callable[[Request, int], Answer]
    seconds: float = 1.0
    price: Price | None = Price(1.0, 2.0)
    scores: Callable[[str], float | None] | None = None
    logprob: float | None = None
    delay: float = 0.0
    asked: list[Request] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)

    @property
    def card(self) -> Card:
        powers = frozenset({"Verify"}) if self.scores is not None else frozenset()
        return Card(self.name, f"scripted-{self.name}", self.price, description=f"scripted {self.name}", powers=powers,
                    settings=frozenset({"seed", "logprobs"}))

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        if self.delay:
            await asyncio.sleep(self.delay)
        return [self._one(request, draw) for draw in range(draws.first, draws.first + draws.n)]

    def _one(self, request: Request, draw: int) -> Reply:
        self.asked.append(request)
        prompt = render(request, self.card).messages[-1].content
        self.prompts.append(prompt)
        answer = self.answers(request, draw) if callable(self.answers) else self.answers[draw % len(self.answers)]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Reply):
            return answer
        usage = Usage(1, len(prompt.split()), len((answer or "").split()))
        tokens = (Token(answer or "", self.logprob),) if self.logprob is not None else None
        cost = self.price.of(usage.prompt_tokens, usage.completion_tokens) if self.price else None
        return Reply(answer, usage=usage, cost=cost, seconds=self.seconds, model=self.name, draw=draw, tokens=tokens)

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        return stream_whole(self, request, draw, scope)

    def power(self, kind: type) -> object | None:
        return self if kind is Verify and self.scores is not None else None

    async def verify(self, request: Request, answers: Sequence[str]) -> Measured[list[float | None]]:
        assert self.scores is not None
        return Measured([self.scores(a) for a in answers], Usage(1, sum(len(a.split()) for a in answers), 0), 0.0, 0.1)


def down(name: str) -> Scripted:
    """A member that never answers."""
    return Scripted(name, [ModelError(f"{name} is down", reason="down")])
