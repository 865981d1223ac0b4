"""Endpoints against llama.cpp's server: log-probabilities with alternatives, seeds, continuing a partial answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

import consilience as cs
from consilience.errors import NoAnswerError, TeamError
from consilience.method import Method
from consilience.methods.route.knn_router import KnnRouter
from consilience.methods.token.entropy_cascade import EntropyCascade
from consilience.methods.token.logit_fusion import LogitFusion
from consilience.methods.token.nudging import Nudging
from consilience.methods.token.speculative_decoding import SpeculativeDecoding
from consilience.methods.token.unite import Unite
from consilience.model import Model, NextTokens, Price
from consilience.models.openai import Endpoint
from consilience.models.wrappers import Budget, Budgeted
from consilience.nursery import WEIGHTS
from consilience.team import Team
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


@pytest.fixture(scope="module")
def pair(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Model]]:
    """Two endpoints with different tokenizers."""
    with served(WEIGHTS / "generalist", tmp_path_factory.mktemp("llama2")) as other:
        yield [Endpoint("bytes", url, dialect="llamacpp", price=Price(1, 1)),
               Endpoint("pieces", other, dialect="llamacpp", price=Price(2, 2))]


class TestTogether:
    """Token-level teams of endpoints: a real server, and the same checkpoint here."""

    def test_alone_it_writes_its_own_text(self, pair: list[Model]) -> None:
        for model in pair:
            assert write(LogitFusion(), [model]).text == ask(model, GREEDY).text

    def test_fusion_over_the_union_of_likely_pieces(self, pair: list[Model]) -> None:
        reply = write(Unite(), pair)
        assert reply.text and reply.note["asked"]["bytes"] == reply.note["asked"]["pieces"] >= 1
        assert reply.usage.calls == sum(reply.note["asked"].values()) and reply.cost is not None and reply.cost > 0
        assert reply.text == write(Unite(), pair).text

    def test_hand_over_asks_the_second_only_where_it_is_needed(self, pair: list[Model]) -> None:
        a, b = pair
        assert write(Nudging(gamma=0.0), pair, base=a, nudger=b).text == ask(a, GREEDY).text
        assert write(Nudging(gamma=1.1), pair, base=a, nudger=b).text == ask(b, GREEDY).text
        cascade = write(EntropyCascade(most=0.3), pair, small=a, large=b)
        assert 0 < cascade.note["asked"]["pieces"] < cascade.note["asked"]["bytes"]

    def test_draws_repeat_under_a_seed(self, pair: list[Model]) -> None:
        hot = replace(GREEDY, sampling=Sampling(temperature=1.5, max_tokens=6))

        async def text(draw: int) -> str | None:
            try:
                return (await Team(LogitFusion(pool="probabilities"), pair).generate(hot, Draws(1, draw)))[0].text
            except NoAnswerError:
                return None     # the end was drawn at once; noise hangs on the servers' ports, so now and then it is

        async def texts() -> list[str | None]:
            return await asyncio.gather(*map(text, range(8)))

        first = asyncio.run(texts())
        assert first == asyncio.run(texts()) and len(set(first)) > 1

    def test_a_member_that_fails_leaves_and_the_rest_goes_on(self, pair: list[Model]) -> None:
        gone = Endpoint("gone", "http://127.0.0.1:9/v1", dialect="llamacpp")
        reply = write(LogitFusion(pool="probabilities"), [pair[0], gone])
        assert reply.text == ask(pair[0], GREEDY).text and [a.member for a in reply.absent] == ["gone"]

    def test_a_budget_pays_for_reading_the_text_again_at_every_token(self, pair: list[Model]) -> None:
        dear = replace(GREEDY, sampling=Sampling(temperature=0.0, max_tokens=40))
        worn = [Budgeted(model) for model in pair]
        free = asyncio.run(Team(Unite(), worn).generate(dear))[0]
        assert free.cost is not None
        for share in (2.0, .6):
            [reply] = asyncio.run(Team(Unite(), worn).generate(dear, scope=Scope(ledger=Budget(share * free.cost))))
            assert reply.cost is not None and reply.cost <= share * free.cost

    def test_what_an_endpoint_cannot_do_is_said(self, pair: list[Model]) -> None:
        fallback = write(SpeculativeDecoding(), pair, target=pair[0], draft=pair[1])
        assert fallback.text == ask(pair[0], GREEDY).text and "drafts" in fallback.absent[0].detail
        with pytest.raises(TeamError, match="either here or there"):
            Team(LogitFusion(), [pair[0], cs.member("nursery/second_garden")])
        assert Endpoint("x", "http://127.0.0.1:9/v1").power(NextTokens) is None


def write(method: Method, models: list[Model], **roles: Model) -> Reply:
    return asyncio.run(Team(method, models, **roles).generate(GREEDY))[0]


def test_an_endpoint_embeds_questions_for_a_router(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.members import Scripted
    from tests.methods.questions import split
    texts = ["apple pie", "pear tart", "plum jam", "iron bar", "zinc roof", "copper pot"]
    dev = split([(text, "A") for text in texts * 2])
    with served(WEIGHTS / "generalist", tmp_path_factory.mktemp("embed"), embeds=True) as base:
        embedder = Endpoint("e", base, api="embeddings", price=Price(1, 0))
        got = asyncio.run(embedder.embed([*texts, ""]))
        assert got.value.shape[0] == 7 and got.usage.calls == 1 and got.usage.prompt_tokens > 6 and got.cost
        assert "Embed" in embedder.card.powers and embedder.power(NextTokens) is None
        members = [Scripted("fruit", lambda r, d: "A" if r.question in texts[:3] else "B"),
                   Scripted("metal", lambda r, d: "A" if r.question in texts[3:] else "B")]
        team = Team(KnnRouter(k=1), members, embedder=embedder).fit_sync(dev)
        assert sum(asyncio.run(dev.evaluate(team))) == len(dev)
        [reply] = asyncio.run(team.generate(dev[0].request))
        assert [part.asked for part in reply.parts] == ["embed", "answer"]
        with pytest.raises(TeamError, match="role embedder"):
            asyncio.run(embedder.generate(GREEDY))
