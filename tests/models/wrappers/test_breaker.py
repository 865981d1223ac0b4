"""A member that is down is found out once; one that works is never kept from working."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from consilience.errors import ModelError
from consilience.models.openai import Endpoint
from consilience.models.wrappers import Backoff, Breaker, Limited, Limits, Retried
from consilience.types import Request
from tests.members import Scripted
from tests.models.faults import chat, error, faulty

ASK = Request.of("why?")
QUICK = Backoff(attempts=3, first=0.0)


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


class Weather:
    """A model that is up or down as the test says, and a clock that stands still until the test moves it."""

    def __init__(self, **options: Any) -> None:
        self.error: ModelError | None = None
        self.time = 100.0
        self.inner = Scripted("a", self._answer, **options)
        self.model = Retried(self.inner, QUICK, Breaker(after=3, rest=30.0, now=lambda: self.time))

    def _answer(self, request: Request, draw: int) -> Any:
        return self.error or "fine"

    def fall(self, reason: str = "down", transient: bool = True) -> None:
        self.error = ModelError("a cannot be reached", reason=reason, transient=transient)

    def calls(self, n: int = 1) -> list[str]:
        """Call n times in a row; what came, by its error or text, and how many attempts were made."""
        def one() -> str:
            before = len(self.inner.asked)
            try:
                said = run(self.model.generate(ASK))[0].text
            except ModelError as failure:
                said = "at once" if "considered down" in str(failure) else "failed"
                assert failure.reason == (self.error.reason if self.error else "down")
            return f"{said} {len(self.inner.asked) - before}"
        return [one() for _ in range(n)]


def test_after_three_calls_that_gave_up_the_rest_fail_at_once() -> None:
    sky = Weather()
    sky.fall()
    assert sky.calls(5) == ["failed 3"] * 3 + ["at once 0"] * 2
    with pytest.raises(ModelError, match=r"a cannot be reached \(considered down; it is tried again in 30 s\)") as caught:
        run(sky.model.generate(ASK))
    assert caught.value.reason == "down" and not caught.value.transient


def test_after_the_rest_one_attempt_tells() -> None:
    sky = Weather()
    sky.fall("timeout")
    sky.calls(3)
    sky.time += 29.9
    assert sky.calls() == ["at once 0"]
    sky.time += 0.2
    assert sky.calls(2) == ["failed 1", "at once 0"], "the probe is not repeated, and its failure is another rest"
    sky.time += 30.1
    sky.error = None
    assert sky.calls(2) == ["fine 1"] * 2
    sky.fall("timeout")
    assert sky.calls() == ["failed 3"], "an answer forgives everything"


def test_one_probe_at_a_time() -> None:
    sky = Weather(delay=0.05)
    sky.fall()
    sky.calls(3)
    sky.time += 31
    sky.error, before = None, len(sky.inner.asked)

    async def work() -> list[Any]:
        return await asyncio.gather(*(sky.model.generate(ASK) for _ in range(5)), return_exceptions=True)

    told = run(work())
    assert [isinstance(one, ModelError) for one in told] == [False, True, True, True, True]
    assert "tried again now, by another call" in str(told[1]) and len(sky.inner.asked) == before + 1
    assert sky.calls(2) == ["fine 1"] * 2


def test_a_probe_that_is_cancelled_leaves_room_for_the_next() -> None:
    sky = Weather(delay=0.5)
    sky.model.breaker.give_up(ModelError("x", reason="down", transient=True))
    for _ in range(2):
        sky.model.breaker.give_up(ModelError("x", reason="down", transient=True))
    sky.time += 31

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sky.model.generate(ASK), 0.02)
        sky.inner.delay = 0.0
        await sky.model.generate(ASK)
    run(work())


@pytest.mark.parametrize(("reason", "transient"), [("rate-limit", True), ("error", True), ("refused", False), ("context", False)])
def test_who_answers_anything_is_there(reason: str, transient: bool) -> None:
    sky = Weather()
    sky.fall(reason, transient)
    assert set(sky.calls(6)) == {"failed 3" if transient else "failed 1"}


def test_an_answer_between_failures_starts_the_count_anew() -> None:
    sky = Weather()
    for _ in range(3):
        sky.fall()
        assert sky.calls(2) == ["failed 3"] * 2
        sky.error = None
        assert sky.calls() == ["fine 1"]


def test_streams_find_out_too() -> None:
    sky = Weather()
    sky.fall()
    sky.calls(3)

    async def listen() -> list[str]:
        return [event.kind async for event in sky.model.stream(ASK)]

    with pytest.raises(ModelError, match="considered down"):
        run(listen())
    sky.time += 31
    sky.error = None
    assert run(listen()) == ["delta", "done"] and sky.calls() == ["fine 1"]


def test_a_hundred_questions_over_a_dead_endpoint_take_seconds() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))         # a port where nobody listens
        dead = Retried(Limited(Endpoint("m", f"http://127.0.0.1:{held.getsockname()[1]}/v1"), Limits(4)),
                       Backoff(attempts=3, first=0.1))

        async def work() -> list[Any]:
            return [await asyncio.gather(dead.generate(ASK.having(seed=i)), return_exceptions=True) for i in range(100)]

        began = time.monotonic()
        told = [failure for [failure] in run(work())]
    assert time.monotonic() - began < 6 and all(isinstance(one, ModelError) for one in told)
    assert sum("considered down" in str(one) for one in told) == 97


def test_a_server_that_restarts_is_waited_for() -> None:
    with faulty(*[error(503)] * 8, chat("back")) as server:
        model = Retried(Endpoint("m", server.url), Backoff(attempts=6, first=0.02))

        async def work() -> list[Any]:
            return await asyncio.gather(*(model.generate(ASK.having(seed=i)) for i in range(6)))

        assert [reply.text for [reply] in run(work())] == ["back"] * 6
