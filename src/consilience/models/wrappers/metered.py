"""A model that counts what is asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from consilience.errors import ModelError
from consilience.model import Measured, Model, streaming
from consilience.models.wrappers.base import Call, T, Wrapper
from consilience.types import Draws, Event, Reply, Request, Scope, Usage


@dataclass(slots=True)
class Meter:
    """What was spent so far. `cost` is in dollars and leaves out the `unpriced` replies, whose price is unknown."""

    usage: Usage = Usage()
    cost: float = 0.0
    seconds: float = 0.0
    unpriced: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def add(self, usage: Usage, cost: float | None, seconds: float) -> None:
        """Count one reply or measurement."""
        self.usage += usage
        self.seconds += seconds
        if cost is None:
            self.unpriced += 1
        else:
            self.cost += cost

    def fail(self, error: ModelError) -> None:
        """Count one failure, by reason."""
        self.failures[error.reason] = self.failures.get(error.reason, 0) + 1

    @property
    def known_cost(self) -> float | None:
        """Dollars, or None when any price is unknown."""
        return None if self.unpriced else self.cost


class Metered(Wrapper):
    """Counts replies into a meter, which several models may share. Inside a store it counts what is spent now,
    outside what the answers cost when they were first made."""

    def __init__(self, inner: Model, meter: Meter) -> None:
        super().__init__(inner)
        self.meter = meter

    def again(self, inner: Model) -> Model:
        """Another model on the same meter."""
        return Metered(inner, self.meter)

    async def around(self, call: Call[Measured[T]]) -> Measured[T]:
        """Count a call of a power."""
        try:
            got = await call()
        except ModelError as error:
            self.meter.fail(error)
            raise
        self.meter.add(got.usage, got.cost, got.seconds)
        return got

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """The draws, counted."""
        try:
            replies = await self.inner.generate(request, draws, scope)
        except ModelError as error:
            self.meter.fail(error)
            raise
        self._count(replies)
        return replies

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """The stream, counted when it is done."""
        try:
            async with streaming(self.inner, request, draw, scope) as events:
                async for event in events:
                    if event.reply is not None:
                        self._count([event.reply])
                    yield event
        except ModelError as error:
            self.meter.fail(error)
            raise

    def _count(self, replies: Iterable[Reply]) -> None:
        for reply in replies:
            self.meter.add(reply.usage, reply.cost, reply.seconds)
