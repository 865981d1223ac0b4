"""A model whose draws are kept: asked for again, they are read instead of generated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from consilience.errors import ModelError
from consilience.model import Model, streaming
from consilience.models.loops import all_of
from consilience.models.wrappers.base import Wrapper
from consilience.prompt import render
from consilience.store import Store, draw_key
from consilience.store.leases import BUSY, MINE, STORED
from consilience.types import Draws, Event, Reply, Request, Scope

POLL_SECONDS = (0.02, 0.5)
"""First and longest pause between looks at a draw that another process is generating."""


class Stored(Wrapper):
    """Keeps every draw of a model in a store.

    The key is what is really asked (the request rendered in the model's wording), the model's fingerprint, stream and
    draw; a greedy request has draw 0 only. A draw kept without log-probabilities does not satisfy a call that wants
    them: it is generated again, and they are added if the text is the same; if not, ModelError, for the first text
    stands. Replies that failed, or that were made while a member was absent, are handed on and not kept.
    """

    def __init__(self, inner: Model, store: Store) -> None:
        super().__init__(inner)
        self.store = store

    def again(self, inner: Model) -> Model:
        """Another model in the same store."""
        return Stored(inner, self.store)

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """One reply per draw: read, shared with whoever is generating it now, or generated and kept."""
        asked = _Ask(self, request, draws, scope)
        found = self.store.draws(asked.ids)
        missing = [one for one in asked.ids if not asked.satisfied(found.get(one))]
        if missing:
            asked.again = any(one in found for one in missing)
            landed = await self.store.flights.join(missing, asked.obtain)
            found.update(zip(missing, landed, strict=True))
            asked.refuse_lacking(found)
        return [found[one] for one in asked.ids]

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """A kept draw comes in one piece; a new one is streamed as it is generated, and kept before `done`."""
        asked = _Ask(self, request, Draws(1, draw.first, draw.stream), scope)
        [one] = asked.ids
        reply = self.store.draws([one]).get(one)
        spoken = False
        if not asked.satisfied(reply):
            asked.events, asked.again = asyncio.Queue(), reply is not None
            flight = asyncio.ensure_future(self.store.flights.join([one], asked.obtain))
            flight.add_done_callback(lambda _: asked.events.put_nowait(None) if asked.events else None)
            try:
                while (event := await asked.events.get()) is not None:
                    spoken = spoken or event.kind == "delta"
                    yield event
                [reply] = await flight
            finally:
                flight.cancel()
            asked.refuse_lacking({one: reply})
        assert reply is not None
        if reply.text and not spoken:
            yield Event("delta", reply.text)
        yield Event("done", reply=reply)


class _Ask:
    """One call of a stored model."""

    def __init__(self, model: Stored, request: Request, draws: Draws, scope: Scope) -> None:
        self.store, self.inner, self.scope = model.store, model.inner, scope
        self.request = render(request, model.inner.card)
        key = draw_key(self.request, model.inner.card.fingerprint)
        self.stream = "" if self.request.sampling.greedy else draws.stream
        numbers = [0] * draws.n if self.request.sampling.greedy else range(draws.first, draws.first + draws.n)
        self.ids = [f"{key}/{self.stream}/{number}" for number in numbers]
        self.number = dict(zip(self.ids, numbers, strict=True))
        self.again = False      # whether stored draws are wanted again, for the log-probabilities that they lack
        self.events: asyncio.Queue[Event | None] | None = None

    def satisfied(self, reply: Reply | None) -> bool:
        """Whether a kept reply holds all that is wanted."""
        return reply is not None and (reply.tokens is not None or "logprobs" not in self.scope.extras)

    def refuse_lacking(self, found: dict[str, Reply]) -> None:
        """A ModelError if log-probabilities are still missing."""
        for reply in found.values():
            if not self.satisfied(reply):
                raise ModelError(f"draw {reply.draw} of {self.inner.card.name} was kept without log-probabilities, and "
                                 "the model does not repeat its text when asked again; ask with another seed, or use "
                                 "another store")

    async def obtain(self, ids: Sequence[str]) -> list[Reply]:
        """Generate what is ours to generate, wait for what other processes generate."""
        found: dict[str, Reply] = {}
        pause, longest = POLL_SECONDS
        while waiting := [one for one in ids if one not in found]:
            states = dict(zip(waiting, await self.store.claim(waiting, again=self.again), strict=True))
            found.update(await self._generate([one for one in waiting if states[one] == MINE]))
            stored = self.store.draws([one for one in waiting if states[one] == STORED])
            found.update((one, reply) for one, reply in stored.items() if self.satisfied(reply))
            self.again = self.again or any(one not in found for one in stored)
            if any(states[one] == BUSY for one in waiting):
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
        return [found[one] for one in ids]

    async def _generate(self, ids: Sequence[str]) -> dict[str, Reply]:
        """Generate and keep claimed draws. What one call fails to give does not lose what others gave."""
        return {one: reply for run in await all_of(*map(self._run, self._runs(ids))) for one, reply in run.items()}

    def _runs(self, ids: Sequence[str]) -> list[list[str]]:
        """The draws by calls: contiguous ranges for a model that gives several draws at once (setting `n`)."""
        runs: list[list[str]] = []
        for one in sorted(ids, key=self.number.__getitem__):
            if runs and "n" in self.inner.card.settings and self.number[runs[-1][-1]] + 1 == self.number[one]:
                runs[-1].append(one)
            else:
                runs.append([one])
        return runs

    async def _run(self, ids: Sequence[str]) -> dict[str, Reply]:
        kept = 0
        try:
            replies = dict(zip(ids, await self._call(Draws(len(ids), self.number[ids[0]], self.stream)), strict=True))
            whole = [(one, reply) for one, reply in replies.items() if _whole(reply)]
            if whole:
                replies.update(zip((one for one, _ in whole), await self.store.keep(whole), strict=True))
                kept = len(whole)
            return replies
        finally:
            if kept < len(ids):
                self.store.release(ids)

    async def _call(self, draws: Draws) -> list[Reply]:
        if self.events is None:
            return await self.inner.generate(self.request, draws, self.scope)
        async with streaming(self.inner, self.request, draws, self.scope) as events:
            async for event in events:
                if event.kind == "done" and event.reply is not None:
                    return [event.reply]
                self.events.put_nowait(event)
        raise ModelError(f"the stream of {self.inner.card.name} ended without a reply")


def _whole(reply: Reply) -> bool:
    """Whether a reply is a draw: neither it nor its parts failed or went without somebody."""
    return reply.stop != "error" and not reply.absent and all(map(_whole, reply.parts))
