"""Limits: at once, and per minute."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from consilience.errors import ModelError
from consilience.model import Verify
from consilience.models.openai import Endpoint
from consilience.models.wrappers import Limited, Limits
from consilience.models.wrappers.limited import Rate, prompt_tokens
from consilience.types import Draws, Message, Request, Sampling
from tests.members import Scripted, down
from tests.models.faults import chat, faulty

ASK = Request.of("why?", sampling=Sampling(max_tokens=100))


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


async def _many(model: Any, n: int) -> float:
    began = time.monotonic()
    await asyncio.gather(*(model.generate(ASK) for _ in range(n)))
    return time.monotonic() - began


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_at_once(most: int) -> None:
    with faulty(chat(wait=0.15)) as server:
        run(_many(Limited(Endpoint("m", server.url), Limits(concurrency=most)), 9))
    assert server.most_busy == most


def test_it_works_in_one_loop_after_another() -> None:
    model = Limited(Scripted("a", ["x"], delay=0.001), Limits(concurrency=1))
    for _ in range(3):
        run(_many(model, 5))


def test_no_faster_than_a_rate_after_the_first_minutes_worth() -> None:
    model = Limited(Scripted("a", ["x"]), Limits(requests_per_minute=600))
    run(_many(model, 5))
    assert model._requests is not None and model._requests._level > 590       # no wait while the bucket is full
    model._requests._level = 0.0
    assert 0.7 < run(_many(model, 10)) < 5.0                # an empty one gives ten a second


def test_tokens_are_expected_before_and_settled_after() -> None:
    model = Limited(Scripted("a", ["one two three"]), Limits(tokens_per_minute=10_000))
    run(_many(model, 80))       # 80 x about 110 expected; few used
    assert model._tokens is not None and model._tokens.take(0) == 0 and model._tokens._level > 9_000


def test_a_bucket() -> None:
    rate = Rate(60)
    assert rate.take(60) == 0
    assert rate.take(1) == pytest.approx(1, abs=0.05) and rate.take(1) == pytest.approx(2, abs=0.05)
    rate.give_back(30)
    assert rate.take(1) == 0
    assert rate.take(10_000) < 61       # more than a bucket waits for a full one


def test_prompt_tokens_are_not_underestimated_much() -> None:
    words = Request((Message("system", "Be brief."), Message("user", "What is the capital of France? " * 20)))
    assert 7 * 20 <= prompt_tokens(words) <= 15 * 20
    assert prompt_tokens(Request.of("\ud800")) > 0


def test_powers_and_several_draws_are_counted() -> None:
    model = Limited(Scripted("a", ["x"], scores=lambda t: 1.0), Limits(requests_per_minute=100, tokens_per_minute=10_000))
    power = model.power(Verify)
    assert power is not None
    run(power.verify(ASK, ["a"]))
    run(model.generate(ASK, Draws(9)))
    assert model._requests is not None and 89.9 < model._requests._level < 91


def test_streams_wait_for_their_turn_and_settle() -> None:
    async def text(model: Any) -> str:
        return "".join([event.text async for event in model.stream(ASK) if event.kind == "delta"])

    async def work() -> None:
        model = Limited(Scripted("a", ["one two three"]), Limits(concurrency=1, tokens_per_minute=10_000))
        assert await asyncio.gather(*(text(model) for _ in range(80))) == ["one two three"] * 80
        assert model._tokens is not None and model._tokens.take(0) == 0 and model._tokens._level > 9_000
        again = model.again(Scripted("b", ["x"]))
        assert isinstance(again, Limited) and again.limits == model.limits and again._tokens is not model._tokens
    run(work())


def test_a_stream_that_fails_gives_its_place_back() -> None:
    async def work() -> None:
        model = Limited(down("a"), Limits(concurrency=1))
        for _ in range(3):
            with pytest.raises(ModelError, match="a is down"):
                [event async for event in model.stream(ASK)]
    run(work())
