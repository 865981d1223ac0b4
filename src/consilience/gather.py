"""Asking members: bound members, waves of questions, and the recorded clock.

A method talks to `Member`s only. They are bound to one run: they number draws, pass on the budget and the trace, turn
failures into absences, and note every reply as a part of the answer, so that a method returns just what it chose.

Time is recorded, not lived: each reply carries the seconds of its first generation, and `clock` adds them up along the
causal path of the run (a wave takes as long as its slowest reply), so a warm store changes no result.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from consilience.compare import Class, agreed, classes, different, legible, plurality, shuffled, stated, tally, winner
from consilience.errors import ModelError, NoAnswerError, TeamError
from consilience.model import Card, Combiner, Embed, HandOver, Measured, Model, NextTokens, Quotes, Score, Verify, streaming, unworn
from consilience.prompt import put, render, sent, sent_to_all, stage_of
from consilience.purse import Ask, Purse, afford, closing_all, evenly, purse
from consilience.run import Run, at_once, clock, timed
from consilience.types import Absent, Draws, Event, Ledger, Message, Quote, Reply, Request, Scope, Token, canonical

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Member:
    """A model in a team, bound to one run.

    `index` is its place in the team, `copy` of `copies` its number among equal models (three copies of one model draw
    what three draws of it would be), `standing` its mean score on dev where the team was fitted.
    """

    model: Model
    index: int
    run: Run
    copy: int = 0
    copies: int = 1
    standing: float | None = None

    @property
    def card(self) -> Card:
        """Facts about the model."""
        return self.model.card

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.card.name

    async def ask(self, request: Request) -> Reply:
        """The next draw of this request. Raises ModelError; use `ask_all` where absence is fine."""
        return (await self.draw(request, 1))[0]

    async def draw(self, request: Request, n: int, grant: Ledger | None = None) -> list[Reply]:
        """The next `n` draws of this request, in order; a greedy request has one draw, repeated.

        On a budget they are paid from `grant`, by default this ask's share of what is left."""
        asked = stage_of(request)
        started, order = clock.get(), self.run.begin(self.name, asked, 1 if request.sampling.greedy else n)
        if grant is not None or purse.get() is None:
            found = await self._in_time(self._generate(request, n, self._scope(grant)))
        else:
            with granted([self], [request], n) as [own]:
                found = await self._in_time(self._generate(request, n, self._scope(own)))
        replies = [_read(reply, request, asked, started) for reply in found]
        self._tick(started, max((r.seconds for r in replies), default=0.0))
        for reply in replies[:1] if request.sampling.greedy else replies:
            self._note(order, reply, lambda: sent(request, self.card))
        return self._timely(replies)

    def _note(self, order: int, reply: Reply, prompt: Callable[[], tuple[Message, ...]]) -> None:
        """Book a reply as a part: without its tokens, and with what was sent where the scope wants that."""
        wanted = "prompts" in self.run.scope.extras
        if wanted or reply.tokens is not None:
            reply = reply.having(tokens=None, prompt=prompt() if wanted else ())
        self.run.note(self.index, order, reply)

    async def _in_time(self, work: Awaitable[T]) -> T:
        """The result; while somebody waits, a ModelError when it does not come within the timeout."""
        limit, started = self.run.timeout, clock.get()
        if limit is None or not self.run.scope.live:
            return await work
        try:
            async with asyncio.timeout(limit):
                return await work
        except TimeoutError:
            clock.set(started + limit)
            raise self._late() from None

    def _late(self) -> ModelError:
        return ModelError(f"{self.name} took longer than {self.run.timeout:g} seconds", reason="timeout")

    def _overdue(self, seconds: float) -> bool:
        """Whether what took so many recorded seconds came too late."""
        return self.run.timeout is not None and not self.run.scope.live and seconds > self.run.timeout

    def _tick(self, started: float, seconds: float) -> None:
        """Move the recorded clock to the end of an ask; nobody waits longer than the timeout."""
        clock.set(started + (self.run.timeout or 0.0 if self._overdue(seconds) else seconds))

    def _timely(self, replies: list[Reply]) -> list[Reply]:
        """The replies, those that took too long without their text; ModelError when all of them did."""
        late = [self._overdue(reply.seconds) for reply in replies]
        if not any(late):
            return replies
        if all(late):
            raise self._late()
        self.run.absent.append(absence(self, self._late()))
        return [r.having(text=None, reading=None, tokens=None, score=None) if slow else r
                for r, slow in zip(replies, late, strict=True)]

    def _scope(self, grant: Ledger | None) -> Scope:
        return self.run.scope if grant is None else replace(self.run.scope, ledger=grant)

    def quote(self, request: Request) -> Quote | None:
        """What a draw may cost; None where the price is unknown, or nobody charges for it."""
        power = self.model.power(Quotes)
        return power.quote(request, self.run.scope) if power is not None else None

    async def _generate(self, request: Request, n: int, scope: Scope) -> list[Reply]:
        if request.sampling.greedy:
            return (await self.model.generate(request, Draws(), scope)) * n
        first = self._take(request, n)
        if self.copies == 1:
            return await self.model.generate(request, Draws(n, first, self.run.stream), scope)
        single = [Draws(1, self.copy + j * self.copies, self.run.stream) for j in range(first, first + n)]
        with evenly(scope, n) as scopes:
            pairs = zip(single, scopes, strict=True)
            return [r for [r] in await at_once([self.model.generate(request, d, s) for d, s in pairs])]

    def _take(self, request: Request, n: int) -> int:
        """Number the next `n` draws of this request; the number of the first."""
        key = (self.index, *_content(request))
        first = self.run.taken.get(key, 0)
        self.run.taken[key] = first + n
        return first

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """The next draw of this request as it comes: deltas, then `done` with the reply that `ask` would give. While somebody
        waits, the timeout is the longest silence: ModelError."""
        asked = stage_of(request)
        started, order = clock.get(), self.run.begin(self.name, asked)
        draw = Draws() if request.sampling.greedy else Draws(
            1, self.copy + self._take(request, 1) * self.copies, self.run.stream)
        with granted([self], [request], 1) as [grant]:
            async with streaming(self.model, request, draw, self._scope(grant)) as stream:
                events = aiter(stream)
                while (event := await self._in_time(anext(events, None))) is not None:
                    if event.kind == "done" and event.reply is not None:
                        reply = _read(event.reply, request, asked, started)
                        self._note(order, reply, lambda: sent(request, self.card))
                        clock.set(started + reply.seconds)
                        event = Event("done", reply=reply)
                    yield event

    def power(self, kind: type[P]) -> P:
        """A power that the binding has already checked."""
        power = self.model.power(kind)
        if power is None:
            raise TeamError(f"{self.name} does not offer {kind.__name__}; it offers {sorted(self.card.powers)}")
        return power

    async def verify(self, request: Request, answers: Sequence[str]) -> list[float | None]:
        """Scores of answers (power Verify)."""
        power = self.power(Verify)
        return await self._measured("verify", request, answers, lambda: power.verify(request, answers))

    async def score(self, request: Request, text: str) -> list[Token]:
        """Tokens of `text` with their log-probabilities as an answer to the request (power Score)."""
        power, asked = self.power(Score), render(request, self.card)
        return await self._measured("score", asked, [text], lambda: power.score(asked, text))

    async def next(self, request: Request, choices: Sequence[str]) -> list[float]:
        """Log-probabilities of `choices` as what comes next (power NextTokens)."""
        power, asked = self.power(NextTokens), render(request, self.card)
        return await self._measured("next", asked, [], lambda: power.next(asked, choices))

    async def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 vectors of texts, [texts, width] (power Embed)."""
        power = self.power(Embed)
        return await self._measured("embed", Request(()), texts, lambda: power.embed(texts))

    async def _measured(self, asked: str, request: Request, texts: Sequence[str],
                        call: Callable[[], Awaitable[Measured[T]]]) -> T:
        """Make a call that reads a prompt and texts; on a budget it is paid in full, or is a BudgetError."""
        started, order, own = clock.get(), self.run.begin(self.name, asked), purse.get()
        quote = self.quote(request.having(prefix="".join([request.prefix, *texts]))) if own is not None else None
        if own is None or quote is None:
            got = await self._in_time(call())
        else:
            reserved = own.ledger.reserve(quote.fixed)
            try:
                got = await self._in_time(call())
                reserved.settle(quote.fixed if got.cost is None else got.cost)
            finally:
                reserved.settle(0.0)
        self._tick(started, got.seconds)
        self._note(order, Reply(None, usage=got.usage, cost=got.cost, seconds=got.seconds, model=self.name, asked=asked,
                                started=started), lambda: sent(request, self.card, texts))
        if self._overdue(got.seconds):
            raise self._late()
        return got.value


def _content(request: Request) -> tuple[Any, ...]:
    """All of a request but its format: equal ones are further draws of one question."""
    content = (request.messages, request.form, request.fields, request.prefix, request.sampling, request.seed, request.tools)
    try:
        hash(content)
    except TypeError:       # tools and tool calls may hold dictionaries
        return (canonical(request.content()),)
    return content


def _read(reply: Reply, request: Request, asked: str, started: float) -> Reply:
    """The reply with its reading, what was asked, and when on the recorded clock."""
    reading = reply.reading
    if reading is None and reply.text is not None and request.format is not None:
        reading = request.format.read(reply.text)
    return reply.having(reading=reading, asked=asked, started=started)


@dataclass(frozen=True, slots=True)
class Members(Sequence[Member]):
    """The members of a run, in team order, and the models in other roles."""

    everyone: tuple[Member, ...]
    roles: Mapping[str, tuple[Member, ...]] = field(default_factory=dict)

    @overload
    def __getitem__(self, key: int) -> Member: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Member, ...]: ...
    def __getitem__(self, key: int | slice) -> Member | tuple[Member, ...]:
        return self.everyone[key]

    def __len__(self) -> int:
        return len(self.everyone)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.everyone)

    def role(self, name: str) -> Member:
        """The (first) model in a role such as `judge`; the binding has filled it."""
        return self.roles[name][0]

    @property
    def run(self) -> Run:
        """The run that all members are bound to."""
        return self.everyone[0].run

    @property
    def ranking(self) -> list[Member]:
        """Best on dev first (ties: cheaper, then team order); without dev, team order."""
        return sorted(self.everyone, key=place_of)

    @property
    def best(self) -> Member:
        """Best on dev; without dev, the first."""
        return self.ranking[0]


def place_of(member: Member) -> tuple[float, float, int]:
    """Sorts members by standing, best on dev first (ties: cheaper, then team order); without dev by team order."""
    return (0.0, 0.0, member.index) if member.standing is None else (-member.standing, price_of(member.card), member.index)


def price_of(card: Card) -> float:
    """Price per million completion tokens, for ties; unknown prices come last."""
    return card.price.completion if card.price is not None else float("inf")


@dataclass(frozen=True, slots=True)
class Wave:
    """Replies of several members to one wave of requests: `by_member[i]` are those of `members[i]`; a member that
    failed has none."""

    members: tuple[Member, ...]
    by_member: tuple[tuple[Reply, ...], ...]

    @property
    def replies(self) -> list[Reply]:
        """All replies with text, in member order, then draw order."""
        return [r for replies in self.by_member for r in replies if r.text]

    @property
    def firsts(self) -> list[Reply | None]:
        """First reply of each member, None where it is absent."""
        return [replies[0] if replies else None for replies in self.by_member]

    def speaker(self, reply: Reply) -> Member:
        """Who gave this reply."""
        return next(m for m, replies in zip(self.members, self.by_member, strict=True)
                    if any(r is reply for r in replies))

    @property
    def best(self) -> Reply:
        """The first text of the member that is best on dev and gave one. Raises NoAnswerError when nobody did."""
        spoken = [(m, r) for m, replies in zip(self.members, self.by_member, strict=True) for r in replies if r.text]
        if not spoken:
            raise NoAnswerError("no member produced any text")
        return min(spoken, key=lambda pair: place_of(pair[0]))[1]


@contextmanager
def granted(members: Sequence[Member], requests: Sequence[Request], n: int) -> Iterator[list[Ledger | None]]:
    """What each ask of a wave may spend; None without a budget."""
    own = purse.get()
    if own is None:
        yield [None] * len(members)
        return
    ranked = sorted(range(len(members)), key=lambda i: place_of(members[i]))
    asks = [Ask.of(members[i].quote(requests[i]), requests[i], n) for i in ranked]
    shares = own.shares(asks, n * len(members))
    by_place = dict(zip(ranked, shares, strict=True))
    with closing_all(shares):
        yield [by_place[i] for i in range(len(members))]


async def together(*work: Awaitable[T]) -> list[T]:
    """Run several chains of asks at once, on a budget with equal parts of the money; the recorded clock then stands at
    the slowest one's end."""
    own = purse.get()
    if own is None or len(work) < 2:
        return await at_once(work)
    purses = own.chains(len(work))

    async def chain(one: Awaitable[T], own: Purse) -> T:
        """One of the awaitables, paid from a purse of its own."""
        purse.set(own)
        return await one

    with closing_all([each.ledger for each in purses]):
        return await at_once([chain(*pair) for pair in zip(work, purses, strict=True)])


async def ask_each(members: Sequence[Member], requests: Sequence[Request], n: int = 1) -> Wave:
    """Put `requests[i]` to `members[i]`, all at once, `n` draws each. A member that fails is absent; when all fail, or
    fewer answer than the quorum of the run, NoAnswerError."""
    wave = await attempt_each(members, requests, n)
    check_quorum(wave)
    return wave


async def attempt_each(members: Sequence[Member], requests: Sequence[Request], n: int = 1) -> Wave:
    """`ask_each` that also returns when nobody answers."""
    with granted(members, requests, n) as grants:
        asks = [attempt(m, request, n, grant) for m, request, grant in zip(members, requests, grants, strict=True)]
        answers = [await asks[0]] if len(asks) == 1 else await at_once(asks)
    return Wave(tuple(members), tuple(answers))


async def attempt(member: Member, request: Request, n: int, grant: Ledger | None) -> tuple[Reply, ...]:
    """The next draws of a member; none, and a note that it is absent, when it fails."""
    try:
        return tuple(await member.draw(request, n, grant))
    except (ModelError, NoAnswerError) as error:
        member.run.absent.append(absence(member, error))
        return ()


def check_quorum(wave: Wave) -> None:
    """NoAnswerError when nobody answered, or fewer members than the quorum of the run (at most all that were asked)."""
    run, asked = wave.members[0].run, {m.index for m in wave.members}
    heard = {m.index for m, replies in zip(wave.members, wave.by_member, strict=True)
             if any(r.text or r.score is not None for r in replies)}
    if any(wave.by_member) and (run.quorum == 1 or len(heard) >= min(run.quorum, len(asked))):
        return
    missing = run.absent[-len(wave.members):]
    reasons = "; ".join(a.detail or f"{a.member}: {a.reason}" for a in missing)
    who = "no member answered" if not heard else f"{len(heard)} of {len(asked)} members answered, the quorum is {run.quorum}"
    raise NoAnswerError(f"{who} ({reasons})", reason="budget" if any(a.reason == "budget" for a in missing) else "no-answer")


def absence(member: Member, error: ModelError | NoAnswerError) -> Absent:
    """The note that a member is absent, and why."""
    return Absent(member.name, error.reason, str(error)[:300])


async def ask_all(members: Sequence[Member], request: Request, n: int = 1) -> Wave:
    """Put one request to all members at once, `n` draws each."""
    return await ask_each(members, [request] * len(members), n)


async def ask_some(members: Sequence[Member], requests: Sequence[Request]) -> list[Reply | None]:
    """The reply of each to its request, all at once; None where a member failed, even where all did."""
    return (await attempt_each(members, requests)).firsts if members else []


async def ask_enough(members: Sequence[Member], requests: Sequence[Request]) -> list[Reply | None]:
    """`ask_some` where a quorum that the user asks for must answer: NoAnswerError with fewer."""
    wave = await attempt_each(members, requests)
    if wave.members and wave.members[0].run.quorum > 1:
        check_quorum(wave)
    return wave.firsts


async def optional(member: Member, request: Request) -> Reply | None:
    """One reply, or None where the member failed: for asks that a method can do without."""
    return (await ask_some([member], [request]))[0]


async def ask_ranked(ranking: Sequence[Member], request: Request) -> Reply:
    """The first usable reply, walking down a ranking: a member that fails or says nothing passes on to the next."""
    why = "it said nothing"
    for place, member in enumerate(ranking):
        try:
            reply = await member.ask(request)
        except (ModelError, NoAnswerError) as error:
            member.run.absent.append(absence(member, error))
            why = str(error)
            continue
        if reply.text or reply.score is not None:
            return reply.noting(fallback=True) if place else reply
    raise NoAnswerError(f"no member of the ranking answered; the last one: {why}")


async def ask_again(wave: Wave, requests: Sequence[Request | None]) -> Wave:
    """The next round: `requests[i]` goes to `wave.members[i]`; whoever has none, fails or says nothing keeps its last reply."""
    live = [i for i, request in enumerate(requests) if request is not None]
    kept = list(wave.by_member)
    if live:
        try:
            fresh = await ask_each([wave.members[i] for i in live], [r for r in requests if r is not None])
        except NoAnswerError:
            return wave
        for i, replies in zip(live, fresh.by_member, strict=True):
            kept[i] = replies if replies and replies[0].text else kept[i]
    return Wave(wave.members, tuple(kept))


async def decode_together(members: Sequence[Member], requests: Sequence[Request], combiner: Combiner | HandOver,
                          state: Sequence[float] = ()) -> Reply:
    """One text decoded by all members: every token is drawn as the combiner, speculation or policy says.

    `requests[i]` is what `members[i]` is asked; sampling, seed and format are those of `requests[0]`. `state` are the
    numbers that a policy's row begins with. A member that leaves on the way is absent.
    """
    lead, started = members[0], clock.get()
    order = lead.run.begin(" + ".join(m.name for m in members), "decode")
    powers = [unworn(m.power(NextTokens)) for m in members]
    rendered = [render(r, m.card) for m, r in zip(members, requests, strict=True)]
    key = (-1, *_content(requests[0]))
    draw = 0 if requests[0].sampling.greedy else lead.run.taken.get(key, 0)
    lead.run.taken[key] = draw + 1
    rendered, settle = _pay_together(members, powers, rendered)
    cost: float | None = 0.0
    try:
        [reply] = await powers[0].decode(powers, rendered, combiner, Draws(1, draw, lead.run.stream), lead.run.scope, state)
        cost = reply.cost
    finally:
        settle(cost)
    lead.run.absent.extend(reply.absent)
    reply = _read(reply, requests[0], "decode", started)
    clock.set(started + reply.seconds)
    lead._note(order, reply, lambda: sent_to_all(rendered, [m.card for m in members]))
    return reply


async def write_together(members: Sequence[Member], request: Request, combiner: Combiner | HandOver,
                         otherwise: Sequence[Member], state: Sequence[float] = ()) -> Reply:
    """`decode_together` with one request for all; when that fails, the first of `otherwise` that can answers alone."""
    try:
        return await decode_together(members, [request] * len(members), combiner, state)
    except ModelError as error:
        members[0].run.absent.append(absence(members[0], error))
        return (await ask_ranked(otherwise, request)).noting(fallback="decoding together failed")


def _pay_together(members: Sequence[Member], powers: Sequence[NextTokens],
                  requests: list[Request]) -> tuple[list[Request], Callable[[float | None], None]]:
    """The requests, cut to what all members can be paid for, and what books their cost (None: as it was quoted)."""
    own = purse.get()
    parts = zip(members, powers, requests, strict=True) if own is not None else ()
    known = [p.quoted(quote, r) if hasattr(p, "quoted") else quote for m, p, r in parts if (quote := m.quote(r)) is not None]
    if own is None or not known:
        return requests, lambda cost: None
    whole = Quote(sum(q.fixed for q in known), sum(q.each for q in known))
    cut, reserved = afford(own.ledger, whole, requests[0], 1, " + ".join(m.name for m in members))
    return ([r.sampled(max_tokens=cut.sampling.max_tokens) for r in requests],
            lambda cost: reserved.settle(Ask.of(whole, cut, 1).most if cost is None else cost))


__all__ = ["Class", "Member", "Members", "Run", "Wave", "absence", "agreed", "ask_again", "ask_all", "ask_each", "ask_enough",
           "ask_ranked", "ask_some", "at_once", "classes", "clock", "decode_together", "different", "legible", "optional", "plurality", "place_of", "price_of", "put", "render", "shuffled",
           "stage_of", "stated", "tally", "timed", "together", "winner", "write_together"]
