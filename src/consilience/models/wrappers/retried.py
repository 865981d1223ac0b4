"""A model that is asked again after failures that may pass."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from consilience.errors import ModelError
from consilience.model import Measured, Model, streaming
from consilience.models.wrappers.base import Call, T, Wrapper
from consilience.models.wrappers.breaker import Breaker
from consilience.types import Draws, Event, Reply, Request, Scope

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Backoff:
    """At most `attempts` calls; pauses of up to `first * 2^k` seconds, at most `longest`, drawn at random from the
    upper half. A server's Retry-After is obeyed, unless it asks for more than `patience` seconds."""

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    patience: float = 120.0


class Retried(Wrapper):
    """Retries calls that fail with a transient ModelError; other errors, and the last one, are raised.

    A model that answered no attempt is considered down for a while, and its calls fail at once (`Breaker`).
    """

    passes_tokens: ClassVar = True

    def __init__(self, inner: Model, backoff: Backoff = Backoff(), breaker: Breaker | None = None) -> None:
        super().__init__(inner)
        self.backoff = backoff
        self.breaker = breaker or Breaker()

    def again(self, inner: Model) -> Model:
        """Another model, retried alike."""
        return Retried(inner, self.backoff)

    async def around(self, call: Call[Measured[T]]) -> Measured[T]:
        """A call of a power, retried."""
        return await self._retry(call, None)

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """The draws; a retry asks for all of them again."""
        return await self._retry(lambda: self.inner.generate(request, draws, scope), scope.deadline)

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """The stream, begun again as long as it fails before its first piece of text."""
        spoken = False

        def again(error: BaseException) -> bool:
            """Whether to ask again: not once something was said."""
            return not spoken and self._passing(error)

        with self._giving_up():
            async for attempt in self._retrying(scope.deadline, again):
                with attempt, self.breaker.attempt():
                    async with streaming(self.inner, request, draw, scope) as events:
                        async for event in events:
                            spoken = spoken or event.kind == "delta"
                            yield event

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except ModelError as error:
            self.breaker.give_up(error)
            raise

    async def _retry(self, call: Callable[[], Awaitable[R]], deadline: float | None) -> R:
        async def attempt() -> R:
            """One call, which the breaker counts."""
            with self.breaker.attempt():
                return await call()

        try:
            return await attempt()  # the usual way costs nothing
        except ModelError as error:
            if not self._passing(error):
                raise
            failed: ModelError | None = error

        async def again() -> R:
            """One call; in place of the first, the failure that was seen already."""
            nonlocal failed
            if failed is not None:
                first, failed = failed, None
                raise first
            return await attempt()

        with self._giving_up():
            return await self._retrying(deadline, self._passing)(again)

    def _passing(self, error: BaseException) -> bool:
        """Whether an error may pass if the model is asked again now."""
        return isinstance(error, ModelError) and error.transient and not self.breaker.open

    def _retrying(self, deadline: float | None, again: Callable[[BaseException], bool]) -> AsyncRetrying:
        backoff = self.backoff

        def pause(state: RetryCallState) -> float:
            """Seconds to wait: what the server asked for and up to a tenth more, else doubling with jitter."""
            asked = _retry_after(state)
            if asked is not None:
                return asked + random.uniform(0, 0.1 * asked)
            ceiling = min(backoff.longest, backoff.first * 2 ** (state.attempt_number - 1))
            return random.uniform(ceiling / 2, ceiling)

        def stop(state: RetryCallState) -> bool:
            """Whether this was the last try: by number, by deadline, or as the server asks for more patience than there
            is."""
            asked = _retry_after(state)
            late = deadline is not None and time.time() + state.upcoming_sleep > deadline
            return state.attempt_number >= backoff.attempts or late or (asked is not None and asked > backoff.patience)

        return AsyncRetrying(wait=pause, stop=stop, retry=retry_if_exception(again), reraise=True)


def _retry_after(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.retry_after if isinstance(error, ModelError) else None
