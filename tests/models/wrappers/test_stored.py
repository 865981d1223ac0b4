"""Stored models: one generation for each draw, whoever asks, however often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from consilience.errors import ModelError
from consilience.model import Card, Measured, Model, Score, Verify, Weights, powers_of
from consilience.models.wrappers import Meter, Metered, Stored
from consilience.store import Store
from consilience.team import Team
from consilience.types import Absent, Draws, Event, Reply, Request, Sampling, Scope, Token, Wording
from tests.members import Scripted, down

ASK = Request.of("why?", form="answer")
LOGPROBS = Scope(extras=frozenset({"logprobs"}))


@dataclass
class Slow:
    """Answers after a moment, with log-probabilities when asked; `texts` gives the text of its n-th generation."""

    name: str = "slow"
    delay: float = 0.02
    settings: frozenset[str] = frozenset()
    texts: Callable[[int, int], str] = lambda call, draw: f"draw {draw}"
    calls: list[Draws] = field(default_factory=list)
    ended: int = 0
    fail: Callable[[Draws], Exception | None] = lambda draws: None

    @property
    def card(self) -> Card:
        return Card(self.name, f"slow-{self.name}", settings=self.settings)

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        self.calls.append(draws)
        call = len(self.calls)
        await asyncio.sleep(self.delay)
        if error := self.fail(draws):
            raise error
        self.ended += 1
        return [Reply(text := self.texts(call, d), draw=d, model=self.name, cost=float(call), tokens=(
            Token(text, -1.0),) if "logprobs" in scope.extras else None) for d in range(draws.first, draws.first + draws.n)]

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        [reply] = await self.generate(request, draw, scope)
        for letter in reply.text or "":
            await asyncio.sleep(0.001)
            yield Event("delta", letter)
        yield Event("done", reply=reply)

    def power(self, kind: type) -> None:
        return None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as opened:
        yield opened


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20))


def test_a_draw_is_generated_once(store: Store) -> None:
    async def work() -> None:
        inner = Slow()
        for model in (Stored(inner, store), Stored(inner, store)):
            [reply] = await model.generate(ASK)
            assert (reply.text, reply.cost) == ("draw 0", 1.0)
        assert len(inner.calls) == 1
    run(work())


def test_the_key_is_what_is_asked_of_whom(store: Store) -> None:
    async def work() -> None:
        inner = Slow()
        changes: list[Request] = [
            ASK, ASK.having(seed=1), ASK.sampled(max_tokens=9), ASK.having(prefix="a"), ASK.having(form="steps"),
            Request.of("why not?", form="answer"), ASK.sampled(temperature=0)]
        for request in changes:
            await Stored(inner, store).generate(request)
        assert len(inner.calls) == len(changes)
        await Stored(Slow("other"), store).generate(ASK)
        assert store.count() == len(changes) + 1
        # the answer format, the scope and another way to write the same prompt are outside the key
        await Stored(inner, store).generate(Request.of("why?"), scope=Scope(example="x", deadline=1e12))
        assert len(inner.calls) == len(changes)
    run(work())


def test_the_wording_of_the_card_is_in_the_key(store: Store) -> None:
    async def work() -> None:
        plain, worded = Scripted("a", ["x"]), Scripted("a", ["y"])
        card = replace(worded.card, forms={"answer": Wording("Q: {question}")})

        class Worded(Scripted):
            card = property(lambda self: card)

        own = Worded("a", ["y"])
        assert (await Stored(plain, store).generate(ASK))[0].text == "x"
        assert (await Stored(own, store).generate(ASK))[0].text == "y"
        assert own.asked[0].messages[0].content == "Q: why?" and own.asked[0].form is None
    run(work())


def test_draws_and_streams_are_kept_apart_and_greedy_has_one(store: Store) -> None:
    async def work() -> None:
        inner = Slow(texts=lambda call, draw: f"{call}")
        model = Stored(inner, store)
        first = [r.text for r in await model.generate(ASK, Draws(2, 0))]
        more = [r.text for r in await model.generate(ASK, Draws(3, 0))]
        assert more[:2] == first and len(set(more)) == 3
        [other] = await model.generate(ASK, Draws(1, 0, "side"))
        assert other.text not in more
        inner.calls.clear()
        greedy = await model.generate(ASK.sampled(temperature=0), Draws(3, 5, "side"))
        assert len(inner.calls) == 1 and inner.calls[0] == Draws(1, 0, "") and len({r.text for r in greedy}) == 1
    run(work())


def test_missing_draws_are_asked_together_where_the_model_takes_several(store: Store) -> None:
    async def work() -> None:
        several, single = Slow("several", settings=frozenset({"n"})), Slow("single")
        for inner in (several, single):
            model = Stored(inner, store)
            await model.generate(ASK, Draws(1, 2))
            replies = await model.generate(ASK, Draws(5, 0))
            assert [r.draw for r in replies] == [0, 1, 2, 3, 4]
        assert several.calls == [Draws(1, 2), Draws(2, 0), Draws(2, 3)]
        assert single.calls == [Draws(1, 2), Draws(1, 0), Draws(1, 1), Draws(1, 3), Draws(1, 4)]
    run(work())


def test_one_failure_does_not_lose_the_other_draws(store: Store) -> None:
    async def work() -> None:
        inner = Slow(fail=lambda draws: ModelError("no", reason="down") if draws.first == 1 else None)
        model = Stored(inner, store)
        with pytest.raises(ModelError):
            await model.generate(ASK, Draws(3))
        assert store.count() == 2
        inner.fail = lambda draws: None
        assert len(await model.generate(ASK, Draws(3))) == 3 and len(inner.calls) == 4
    run(work())


def test_flights_are_shared(store: Store) -> None:
    async def work() -> None:
        inner = Slow()
        replies = await asyncio.gather(*(Stored(inner, store).generate(ASK) for _ in range(50)))
        assert len(inner.calls) == 1 and {r.text for [r] in replies} == {"draw 0"}
        overlapping = await asyncio.gather(*(Stored(inner, store).generate(ASK, Draws(3, i)) for i in range(1, 4)))
        assert sorted(c.first for c in inner.calls) == [0, 1, 2, 3, 4, 5]
        assert [r.draw for r in overlapping[2]] == [3, 4, 5]
    run(work())


def test_a_failure_reaches_all_who_wait_and_is_no_draw(store: Store) -> None:
    async def work() -> None:
        inner = down("broken")
        model = Stored(inner, store)
        results = await asyncio.gather(*(model.generate(ASK) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(r, ModelError) for r in results) and store.count() == 0
        with pytest.raises(ModelError):
            await model.generate(ASK)
        assert len(inner.asked) == 2
    run(work())


def test_cancelling_one_waiter_leaves_the_draw_to_the_others(store: Store) -> None:
    async def work() -> None:
        inner = Slow(delay=0.1)
        model = Stored(inner, store)
        first, second = (asyncio.create_task(model.generate(ASK)) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        [reply] = await second
        assert reply.text == "draw 0" and len(inner.calls) == 1 and first.cancelled()
    run(work())


def test_cancelling_the_last_waiter_ends_the_draw_which_can_be_asked_again(store: Store) -> None:
    async def work() -> None:
        inner = Slow(delay=0.1)
        model = Stored(inner, store)
        waiters = [asyncio.create_task(model.generate(ASK)) for _ in range(2)]
        await asyncio.sleep(0.05)
        for waiter in waiters:
            waiter.cancel()
        await asyncio.sleep(0)
        [reply] = await model.generate(ASK)     # at once, while the cancelled flight is still going down
        assert reply.text == "draw 0" and len(inner.calls) == 2 and inner.ended == 1
    run(work())


def test_replies_that_failed_or_missed_somebody_are_not_kept(store: Store) -> None:
    async def work() -> None:
        for reply in (Reply("partial", stop="error"), Reply("two of three", absent=(Absent("c", "down"),)),
                      Reply("deep", parts=(Reply("x", absent=(Absent("c", "budget"),)),))):
            inner = Scripted("a", [reply])
            for _ in range(2):
                assert (await Stored(inner, store).generate(ASK))[0] == reply
            assert len(inner.asked) == 2 and store.count() == 0
        assert (await Stored(Scripted("a", ["whole"]), store).generate(ASK))[0].text == "whole"
    run(work())


def test_log_probabilities_are_added_when_the_text_repeats(store: Store) -> None:
    async def work() -> None:
        inner = Slow()
        model = Stored(inner, store)
        await model.generate(ASK)
        for _ in range(2):
            [reply] = await model.generate(ASK, scope=LOGPROBS)
            assert reply.tokens == (Token("draw 0", -1.0),) and reply.cost == 1.0
        assert len(inner.calls) == 2
        assert (await model.generate(ASK))[0].tokens is not None and len(inner.calls) == 2
    run(work())


def test_log_probabilities_of_another_text_are_refused(store: Store) -> None:
    async def work() -> None:
        model = Stored(Slow(texts=lambda call, draw: f"text {call}"), store)
        [first] = await model.generate(ASK)
        with pytest.raises(ModelError, match="does not repeat"):
            await model.generate(ASK, scope=LOGPROBS)
        assert (await model.generate(ASK))[0] == first
    run(work())


def test_streams_are_kept_and_shared(store: Store) -> None:
    async def work() -> None:
        inner = Slow()
        model = Stored(inner, store)

        async def listen() -> list[Event]:
            return [event async for event in model.stream(ASK)]

        first = asyncio.create_task(listen())
        await asyncio.sleep(0.005)
        [whole], late = await asyncio.gather(model.generate(ASK), listen())
        streamed = await first
        again = await listen()
        assert len(inner.calls) == 1 and whole.text == "draw 0"
        assert len(streamed) == len("draw 0") + 1
        for events in (streamed, late, again):
            assert "".join(e.text for e in events) == "draw 0" and events[-1].reply == whole
        assert len(again) == 2
    run(work())


def test_leaving_a_stream_ends_it(store: Store) -> None:
    async def work() -> None:
        model = Stored(Slow(delay=0), store)
        stream = model.stream(ASK)
        assert (await anext(stream)).text == "d"
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)
        assert store.count() == 0
        assert (await model.generate(ASK))[0].text == "draw 0" and store.count() == 1
    run(work())


def test_failed_streams_raise(store: Store) -> None:
    async def work() -> None:
        with pytest.raises(ModelError, match="down"):
            _ = [event async for event in Stored(down("broken"), store).stream(ASK)]
    run(work())


def test_one_store_in_two_loops(store: Store) -> None:
    """Two threads with loops of their own ask for the same draw: the second one waits for the first."""
    import threading

    inner, texts = Slow(delay=0.2), []

    def ask() -> None:
        texts.append(run(Stored(inner, store).generate(ASK))[0].text)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["draw 0"] * 2 and len(inner.calls) == 1


def test_copies_of_a_member_are_draws_of_it(store: Store) -> None:
    async def work() -> None:
        from consilience.methods.text.majority_vote import MajorityVote
        from consilience.reading import Choice

        request = ASK.having(format=Choice(4))
        inner = Scripted("a", list("ABACBD"))
        copies = Team(MajorityVote(), [Stored(inner, store)] * 3)
        draws = Team(MajorityVote(draws=3), [Stored(inner, store)])
        [one], [other] = await copies.generate(request), await draws.generate(request)
        assert one.reading == other.reading == "A" and len(inner.asked) == 3
    run(work())


@dataclass
class Powerful(Scripted):
    """Offers powers, and siblings of itself."""

    path: Path = Path()

    def power(self, kind: type) -> object | None:
        return self if kind in (Score, Verify, Weights) else None

    async def score(self, request: Request, text: str) -> Measured[list[Token]]:
        return Measured([Token(text, -1.0)])

    def sibling(self, path: Path, name: str) -> Model:
        return Powerful(name, ["from " + name], path=path)


def test_powers_pass_through_and_siblings_are_kept_too(store: Store) -> None:
    async def work() -> None:
        meter = Meter()
        inner = Powerful("a", ["x"], scores=lambda text: 1.0)
        model = Stored(Metered(inner, meter), store)
        assert powers_of(model) == {"Score", "Verify", "Weights"} and powers_of(Stored(Slow(), store)) == frozenset()
        assert (await model.power(Score).score(ASK, "t")).value == [Token("t", -1.0)]  # type: ignore[union-attr]
        assert (await model.power(Verify).verify(ASK, ["t"])).value == [1.0]  # type: ignore[union-attr]
        assert meter.usage.calls == 2
        child = model.power(Weights).sibling(Path("/new"), "child")  # type: ignore[union-attr]
        assert child.power(Weights).path == Path("/new")  # type: ignore[union-attr]
        for _ in range(2):
            assert (await child.generate(ASK))[0].text == "from child"
        assert meter.usage.calls == 3 and store.count() == 1
    run(work())


def test_sampling_defaults_are_part_of_the_key(store: Store) -> None:
    async def work() -> None:
        inner = Slow()
        await Stored(inner, store).generate(ASK)
        await Stored(inner, store).generate(ASK.having(sampling=Sampling()))
        assert len(inner.calls) == 1
    run(work())
