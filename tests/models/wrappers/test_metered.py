"""Meters count what passes through them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consilience.errors import ModelError
from consilience.model import Verify
from consilience.models.wrappers import Meter, Metered
from consilience.types import Draws, Request, Usage
from tests.members import Scripted, down

ASK = Request.of("why not?")


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_replies_streams_and_powers_add_up() -> None:
    async def work() -> None:
        meter = Meter()
        model = Metered(Scripted("a", ["one two"], scores=lambda t: 1.0), meter)
        await model.generate(ASK, Draws(3))
        assert meter.usage == Usage(3, 6, 6) and meter.cost == pytest.approx(18e-6) and meter.seconds == 3
        assert [e.kind async for e in model.stream(ASK)] == ["delta", "done"]
        assert meter.usage.calls == 4
        power = model.power(Verify)
        assert power is not None
        await power.verify(ASK, ["a b c"])
        assert meter.usage == Usage(5, 11, 8) and meter.known_cost == pytest.approx(24e-6)
    run(work())


def test_unknown_prices_and_failures_are_told() -> None:
    async def work() -> None:
        meter = Meter()
        await Metered(Scripted("a", ["x"], price=None), meter).generate(ASK)
        for _ in range(2):
            with pytest.raises(ModelError):
                await Metered(down("b"), meter).generate(ASK)
        assert meter.unpriced == 1 and meter.known_cost is None and meter.failures == {"down": 2}
    run(work())


def test_failures_of_streams_and_powers_are_counted() -> None:
    def gone(text: str) -> float:
        raise ModelError("gone", reason="timeout")

    async def work() -> None:
        meter = Meter()
        with pytest.raises(ModelError):
            [event async for event in Metered(down("b"), meter).stream(ASK)]
        power = Metered(Scripted("a", ["x"], scores=gone), meter).power(Verify)
        assert power is not None
        with pytest.raises(ModelError):
            await power.verify(ASK, ["a"])
        assert meter.failures == {"down": 1, "timeout": 1} and meter.usage.calls == 0
    run(work())
