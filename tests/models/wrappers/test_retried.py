"""Retries: only what may pass, no longer than it makes sense."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from consilience.errors import ModelError
from consilience.model import Verify
from consilience.models.openai import Endpoint
from consilience.models.wrappers import Backoff, Retried
from consilience.types import Draws, Request, Scope
from tests.members import Scripted
from tests.models.faults import chat, delta, error, events, faulty

ASK = Request.of("why?")
QUICK = Backoff(first=0.01, longest=0.05)


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


def test_what_passes_is_retried() -> None:
    with faulty(error(503), error(429), chat("at last")) as server:
        [reply] = run(Retried(Endpoint("m", server.url), QUICK).generate(ASK))
    assert reply.text == "at last" and len(server.bodies) == 3


def test_what_does_not_pass_is_not() -> None:
    with faulty(error(401)) as server, pytest.raises(ModelError, match="401"):
        run(Retried(Endpoint("m", server.url), QUICK).generate(ASK))
    assert len(server.bodies) == 1


def test_the_last_error_is_raised() -> None:
    with faulty(error(500), error(500), error(503)) as server, pytest.raises(ModelError, match="503"):
        run(Retried(Endpoint("m", server.url), Backoff(attempts=3, first=0.01)).generate(ASK))
    assert len(server.bodies) == 3


def test_retry_after_is_obeyed() -> None:
    with faulty(error(429, retry_after_ms="400"), chat()) as server:
        run(Retried(Endpoint("m", server.url), QUICK).generate(ASK))
    assert 0.4 <= server.times[1] - server.times[0] < 5.0


def test_too_long_a_wait_is_an_error_at_once() -> None:
    for backoff, scope in ((Backoff(patience=10), Scope()), (Backoff(), Scope(deadline=time.time() + 5))):
        began = time.monotonic()
        with faulty(error(429, retry_after="60")) as server, pytest.raises(ModelError) as caught:
            run(Retried(Endpoint("m", server.url), backoff).generate(ASK, scope=scope))
        assert caught.value.retry_after == 60 and time.monotonic() - began < 20 and len(server.bodies) == 1


def test_pauses_grow_and_vary() -> None:
    with faulty(*[error(500)] * 5, chat()) as server:
        run(Retried(Endpoint("m", server.url), Backoff(first=0.05)).generate(ASK))
    gaps = [b - a for a, b in zip(server.times, server.times[1:], strict=False)]
    assert all(0.05 * 2 ** k / 2 <= gap for k, gap in enumerate(gaps)) and gaps[4] > gaps[0]


def test_a_stream_is_begun_again_until_it_has_spoken() -> None:
    async def listen(url: str) -> tuple[list[str], str]:
        got = [e async for e in Retried(Endpoint("m", url), QUICK).stream(ASK)]
        return [e.text for e in got[:-1]], got[-1].reply.text  # type: ignore[union-attr]

    with faulty(error(503), events(delta("a"), delta("b", "stop"))) as server:
        assert run(listen(server.url)) == (["a", "b"], "ab") and len(server.bodies) == 2
    with faulty(events(delta("a"), broken=True)) as server, pytest.raises(ModelError):
        run(listen(server.url))
    assert len(server.bodies) == 1


def test_powers_are_retried() -> None:
    failures = [ModelError("busy", transient=True)] * 2

    def rate(text: str) -> float:
        if failures:
            raise failures.pop()
        return 0.5

    power = Retried(Scripted("a", ["x"], scores=rate), QUICK).power(Verify)
    assert power is not None and run(power.verify(ASK, ["t"])).value == [0.5]


def test_cancelling_ends_the_wait() -> None:
    async def work() -> float:
        with faulty(error(429, retry_after="60")) as server:
            task = asyncio.create_task(Retried(Endpoint("m", server.url)).generate(ASK, Draws()))
            await asyncio.sleep(0.3)
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return time.monotonic() - began
    assert run(work()) < 5


def test_a_stream_may_be_left_and_cancelled() -> None:
    async def work() -> None:
        with faulty(events(*[delta("a")] * 50, delta("b", "stop"))) as server:
            stream = Retried(Endpoint("m", server.url), QUICK).stream(ASK)
            assert (await anext(stream)).text == "a"
            await stream.aclose()  # type: ignore[attr-defined]

        async def listen() -> None:
            async for _ in Retried(Scripted("a", ["x"], delay=10), QUICK).stream(ASK):
                pass

        task = asyncio.create_task(listen())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    run(work())
