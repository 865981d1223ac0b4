"""A model that is asked no more at once, and no faster, than its owner allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar

from consilience.model import Measured, Model, streaming
from consilience.models.loops import PerLoop
from consilience.models.wrappers.base import Call, T, Wrapper
from consilience.prompt import prompt_tokens, render
from consilience.types import Draws, Event, Reply, Request, Scope


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls at the same time, and draws and tokens (prompt and completion) per minute; None is unlimited."""

    concurrency: int | None = 16
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class Rate:
    """A bucket that fills at `per_minute / 60` a second and holds at most one minute's worth.

    Taking may bring it below zero; the taker waits until it would be full enough, in order of arrival.
    """

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._level = per_minute
        self._at = time.monotonic()

    def take(self, amount: float) -> float:
        """Take, and say how many seconds to wait before acting. More than a whole bucket waits for a full one."""
        now = time.monotonic()
        self._level = min(self.per_minute, self._level + (now - self._at) * self.per_minute / 60)
        self._at = now
        self._level -= min(amount, self.per_minute)
        return max(0.0, -self._level * 60 / self.per_minute)

    def give_back(self, amount: float) -> None:
        """Return what was taken too much."""
        self._level += amount


class Limited(Wrapper):
    """Keeps a model's calls within limits. All draws of one request count as so many requests."""

    passes_tokens: ClassVar = True

    def __init__(self, inner: Model, limits: Limits = Limits()) -> None:
        super().__init__(inner)
        self.limits = limits
        self._gate = PerLoop(lambda: asyncio.Semaphore(limits.concurrency or 1))
        self._requests = Rate(limits.requests_per_minute) if limits.requests_per_minute else None
        self._tokens = Rate(limits.tokens_per_minute) if limits.tokens_per_minute else None

    def again(self, inner: Model) -> Model:
        """Another model with limits of its own."""
        return Limited(inner, self.limits)

    async def around(self, call: Call[Measured[T]]) -> Measured[T]:
        """A call of a power counts as one request."""
        async with await self._turn(1, 0):
            got = await call()
        if self._tokens:
            self._tokens.take(got.usage.prompt_tokens + got.usage.completion_tokens)
        return got

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """The draws, when it is their turn."""
        expected = self._expected(request, draws.n)
        async with await self._turn(draws.n, expected):
            replies = await self.inner.generate(request, draws, scope)
        self._settle(expected, replies)
        return replies

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """The stream, when it is its turn."""
        expected = self._expected(request, 1)
        async with await self._turn(1, expected), streaming(self.inner, request, draw, scope) as events:
            async for event in events:
                if event.reply is not None:
                    self._settle(expected, [event.reply])
                yield event

    def _expected(self, request: Request, n: int) -> int:
        if self._tokens is None:
            return 0
        return n * (prompt_tokens(render(request, self.card)) + request.sampling.max_tokens)

    def _settle(self, expected: int, replies: Sequence[Reply]) -> None:
        if self._tokens:
            used = sum(r.usage.prompt_tokens + r.usage.completion_tokens for r in replies)
            self._tokens.give_back(min(expected, self._tokens.per_minute) - used)

    async def _turn(self, requests: int, tokens: int) -> AbstractAsyncContextManager[None]:
        """Wait as the rates demand; what is returned holds the place among concurrent calls."""
        waits = [rate.take(n) for rate, n in ((self._requests, requests), (self._tokens, tokens)) if rate is not None]
        if waits and max(waits) > 0:
            await asyncio.sleep(max(waits))
        return self._gate() if self.limits.concurrency else nullcontext()
