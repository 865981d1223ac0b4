"""Endpoints against llama.cpp's server: log-probabilities with alternatives, seeds, continuing a partial answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

import consilience as cs
from consilience.models.openai import Endpoint
from consilience.nursery import WEIGHTS
from consilience.types import Draws, Reply, Request, Sampling, Scope
from tests.models.llama_server import served

GREEDY = Request.of("What color is the vase?", sampling=Sampling(temperature=0.0, max_tokens=8))
WANTED = Scope(extras=frozenset({"logprobs"}))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(WEIGHTS / "second_garden", tmp_path_factory.mktemp("llama")) as base:
        yield base


def ask(model: object, request: Request, draws: Draws = Draws()) -> Reply:
    return asyncio.run(model.generate(request, draws, WANTED))[0]  # type: ignore[attr-defined]


def test_it_says_what_the_same_checkpoint_says_here(url: str) -> None:
    there = ask(Endpoint("m", url, dialect="llamacpp"), GREEDY)
    here = ask(cs.member("nursery/second_garden"), replace(GREEDY, format=None))
    assert there.text == here.text and there.tokens and here.tokens
    for a, b in zip(there.tokens, here.tokens, strict=False):
        assert a.logprob == pytest.approx(b.logprob, abs=.02)
    assert all(len(token.top) == 5 for token in there.tokens if token.text)


def test_both_interfaces_give_log_probabilities(url: str) -> None:
    raw = Request.of("<|begin|><|user|>What color is the vase?<|end|><|assistant|>", sampling=GREEDY.sampling)
    chat = ask(Endpoint("m", url, dialect="llamacpp"), GREEDY)
    plain = ask(Endpoint("m", url, dialect="llamacpp", api="completions"), raw)
    assert chat.text == plain.text and chat.tokens and plain.tokens
    assert chat.tokens[0].logprob == pytest.approx(plain.tokens[0].logprob, abs=1e-3)
    assert sum(math.exp(p) for _, p in plain.tokens[0].top) <= 1 + 1e-6


def test_a_partial_answer_is_continued_and_not_said_again(url: str) -> None:
    model = Endpoint("m", url, dialect="llamacpp")
    whole = ask(model, GREEDY).text
    assert whole is not None and len(whole) > 2
    rest = ask(model, replace(GREEDY, prefix=whole[:2]))
    assert rest.text == whole[2:]

    async def streamed() -> str:
        return "".join([e.text async for e in model.stream(replace(GREEDY, prefix=whole[:2])) if e.kind == "delta"])

    assert asyncio.run(streamed()) == whole[2:]


def test_draws_repeat_and_differ(url: str) -> None:
    hot = replace(GREEDY, sampling=Sampling(temperature=3.0, max_tokens=12))

    async def texts() -> list[str | None]:
        return [r.text for r in await Endpoint("m", url, dialect="llamacpp").generate(hot, Draws(4))]

    first, again = asyncio.run(texts()), asyncio.run(texts())
    assert first == again and len(set(first)) > 1


def test_without_a_word_about_it_nothing_is_cut_off(url: str) -> None:
    """The server's own defaults keep the 40 likeliest tokens of at least 5% of the likeliest one's probability."""
    hot = replace(GREEDY, sampling=Sampling(temperature=50.0, max_tokens=24))
    text = ask(Endpoint("m", url, dialect="llamacpp"), hot)
    assert text.tokens is not None
    assert min(token.logprob for token in text.tokens) < -8
