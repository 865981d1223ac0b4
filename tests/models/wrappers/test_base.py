"""What all wrappers keep: whoever leaves a stream leaves nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from consilience.model import Model
from consilience.models.wrappers import Limited, Meter, Metered, Retried, Stored
from consilience.models.wrappers.budgeted import Budget, Budgeted
from consilience.registry import method
from consilience.store import Store
from consilience.team import Team
from consilience.types import Draws, Event, Reply, Request, Scope
from tests.members import Scripted

ASK = Request.of("why?", form="answer")


@dataclass
class Talking(Scripted):
    """Talks for ever, and takes a moment to end."""

    ended: bool = False

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        try:
            while True:
                yield Event("delta", "and ")
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)
            self.ended = True


WORN: dict[str, Callable[[Model, Path], Model]] = {
    "budgeted": lambda model, folder: Budgeted(model), "metered": lambda model, folder: Metered(model, Meter()),
    "limited": lambda model, folder: Limited(model), "retried": lambda model, folder: Retried(model),
    "stored": lambda model, folder: Stored(model, Store(folder / "s.db")),
    "all": lambda model, folder: Budgeted(Stored(Retried(Limited(Metered(model, Meter()))), Store(folder / "s.db"))),
    "team": lambda model, folder: Team(method("mixture-of-agents", {"layers": 1}), [model]),
    "team of teams": lambda model, folder: Team(method("mixture-of-agents", {"layers": 1}), [
        Team(method("mixture-of-agents", {"layers": 1}), [Budgeted(model)], name="inner")]),
}


@pytest.mark.parametrize("name", WORN)
def test_who_leaves_a_stream_ends_it(name: str, tmp_path: Path) -> None:
    inner, ledger = Talking("a", ["x"]), Budget(1.0)
    model = WORN[name](inner, tmp_path)

    async def listen() -> None:
        async with aclosing(model.stream(ASK, scope=Scope(ledger=ledger))) as events:   # type: ignore[type-var]
            async for event in events:
                if event.kind == "delta":
                    break
        assert ledger.left == ledger.dollars
        if name in ("stored", "all"):
            await asyncio.sleep(.05)        # a flight ends when it finds that nobody listens
        assert inner.ended and asyncio.all_tasks() == {asyncio.current_task()}
    asyncio.run(listen())


def test_a_stream_that_cannot_be_closed_will_do() -> None:
    class Plain:
        """An iterator, no generator."""

        def __init__(self) -> None:
            self.left = [Event("delta", "x"), Event("done", reply=Reply("x", model="a"))]

        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> Event:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    class Own(Scripted):
        def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
            return Plain()

    async def listen() -> list[str]:
        team = Team(method("mixture-of-agents", {"layers": 1}), [Retried(Own("a", ["x"]))])
        return [event.kind async for event in team.stream(ASK)]
    assert asyncio.run(listen()) == ["progress", "delta", "done"]
