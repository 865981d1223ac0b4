"""Stand-ins ask nobody: what they book is what the real models would be asked."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from consilience.bench.rehearsal import REPLY_TOKENS, Rehearsal, Rehearsing
from consilience.model import Embed, Hidden, NextTokens, Quotes, Score, Verify
from consilience.reading import Choice, Exact, Free, Number, YesNo
from consilience.types import Draws, Quote, Reply, Request, Sampling, Scope, Usage
from tests.members import Scripted

ASK = Request.of("x" * 40, sampling=Sampling(max_tokens=20))


class Able(Scripted):
    """A member with every power, which nobody may use here."""

    host, vocabulary = "here", "words"

    def power(self, kind: type) -> Any:
        return self

    def quote(self, request: Request, scope: Scope) -> Quote:
        return Quote(0.5, 0.25)

    def refuses(self, peers: Any, *, mixed: bool = False) -> str | None:
        return None if mixed or all(peer.vocabulary == self.vocabulary for peer in peers) else "another vocabulary"


def cast(agree: bool, *members: Scripted) -> list[Rehearsing]:
    rehearsal = Rehearsal(agree)
    return [Rehearsing(member, place, rehearsal) for place, member in enumerate(members)]


@pytest.mark.parametrize("form", [None, Choice(3), YesNo(), Number(), Exact(), Free()])
def test_all_agree_or_no_two_do(form: Any) -> None:
    for agree in (True, False):
        team = cast(agree, *(Able(name, ["never"]) for name in "ab"))
        readings = [asyncio.run(one.generate(ASK.having(format=form)))[0].read(form) for one in team]
        assert (len({reply.reading or reply.text for reply in readings}) == 1) is agree
        assert all(form is None or reply.reading is not None for reply in readings)
        assert not any(member.inner.asked for member in team)     # type: ignore[attr-defined]


def test_equal_draws_are_booked_once_and_all_calls_one_by_one() -> None:
    [one] = cast(True, Able("a", ["never"]))
    for _ in range(2):
        asyncio.run(one.generate(ASK, Draws(3)))
    assert len(one.rehearsal.calls) == 6 and len(one.rehearsal.drafts) == 3
    asyncio.run(one.generate(ASK.sampled(temperature=0.0), Draws(3)))
    assert len(one.rehearsal.drafts) == 4, "greedy draws are one draw"
    call = one.rehearsal.calls[0]
    assert call.usage == Usage(1, 10, 20) and call.cost == pytest.approx(5e-5), "as long as the limit of the request"
    assert asyncio.run(one.generate(ASK.sampled(max_tokens=10_000)))[0].usage.completion_tokens == REPLY_TOKENS
    one.draft(ASK)
    one.draft(ASK)
    assert len(one.rehearsal.drafts) == 7, "what nothing shares is booked each time"


def test_lengths_are_those_of_recorded_replies() -> None:
    [one] = cast(True, Able("a", ["never"]))
    for tokens, seconds in ((10, 1.0), (30, 2.0)):
        one.rehearsal.learn("a", Reply("x", usage=Usage(1, 1, tokens), seconds=seconds))
    [reply] = asyncio.run(one.generate(ASK))
    assert (reply.usage.completion_tokens, reply.seconds) == (20, 1.5)


def test_every_power_is_rehearsed_and_booked() -> None:
    for agree in (True, False):
        [one, other] = cast(agree, Able("a", ["never"]), Able("b", ["never"]))
        assert all(one.power(kind) is one for kind in (Verify, Score, NextTokens, Embed, Hidden, Quotes))
        scores = asyncio.run(one.verify(ASK, ["x", "y"])).value
        assert (len(set(scores)) == 1) is agree
        first, second = asyncio.run(one.next(ASK, ["A", "B"])).value
        assert (first > second) is agree and (agree or first == pytest.approx(np.log(0.5)))
        assert asyncio.run(one.embed(["a", "bb", "c"])).value.shape == (3, 8)
        assert asyncio.run(one.hidden(ASK, "x", before=2)).value.shape[1] == 3
        assert [token.text for token in asyncio.run(one.score(ASK, "x")).value] == ["x"]
        assert len(one.rehearsal.calls) == len(one.rehearsal.drafts) == 5
        assert (one.host, one.vocabulary, one.quote(ASK, Scope())) == ("here", "words", Quote(0.5, 0.25))
        assert one.refuses([one, other]) is None


def test_a_model_without_powers_has_none_here() -> None:
    [one] = cast(True, Scripted("a", ["never"]))
    assert one.power(NextTokens) is None and one.quote(ASK, Scope()) is None
    assert (one.host, one.vocabulary, one.refuses([one])) == (None, "", None)
    kinds = [event.kind for event in asyncio.run(collected(one))]
    assert kinds == ["delta", "done"]


async def collected(one: Rehearsing) -> list[Any]:
    return [event async for event in one.stream(ASK)]
