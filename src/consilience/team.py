"""A team: a method bound to members. It is a model again, so teams nest, are stored, served and benchmarked alike."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing, nullcontext
from dataclasses import replace
from functools import cache
from typing import Any, Protocol, TypeVar

from consilience.errors import ConfigError, ModelError, NoAnswerError, TeamError, did_you_mean
from consilience.formula import most_calls
from consilience.gather import Member, Members, Run, absence, at_once, clock, stage_of, timed
from consilience.memory import Keeper
from consilience.method import Cast, Dev, Last, Level, Method, Ordered, check_needs
from consilience.model import Card, Hidden, Model, NextTokens, Quotes, Score, Weights, powers_of, unworn
from consilience.purse import Purse, evenly, purse
from consilience.types import Draws, Event, Quote, Reply, Request, Sampling, Scope, digest, total_cost
from consilience.wordings import speaking

P = TypeVar("P")
T = TypeVar("T")


class Fits(Protocol):
    """The power of a team that learns: nested teams are fitted inside out."""

    async def fit(self, dev: Dev) -> Model:
        """The fitted copy."""
        ...


class Team:
    """Members that answer as one by a method.

    Other roles of the method are given by name: `Team(Blender(), [a, b, c], judge=d)`. Raises TeamError before any
    call when the members cannot play their parts.
    """

    def __init__(self, method: Method, members: Model | Sequence[Model], *, name: str = "",
                 standing: Sequence[float] | None = None, memory: Any = None, **roles: Model | Sequence[Model]) -> None:
        if not isinstance(method, Method):
            made = f"{method.__name__}()" if isinstance(method, type) else "MajorityVote()"
            raise TeamError(f"a team needs a method, such as {made}, got {method!r}")
        self.method = method
        self.members = _models("members", members)
        self.name = name or method.name
        self.standing = tuple(standing) if standing is not None else None
        self.roles = {k: _models(k, v) for k, v in roles.items()}
        self._child: Model | None = None
        self._making: asyncio.Lock | None = None
        self._keeper = Keeper(method) if isinstance(method, Ordered) else None
        self._check()
        self._copies = _copies(self.members)
        method.check(self.cast)
        self.card = self._card()
        if memory is not None:
            self.memory = memory

    def _check(self) -> None:
        method, known = self.method, {role.name for role in self.method.roles}
        if len(self.members) < method.min_members:
            raise TeamError(f"{method.name} needs at least {method.min_members} members, got {len(self.members)}")
        for name in self.roles:
            if name not in known:
                raise TeamError(f"{method.name} has no role {name!r}.{did_you_mean(name, known)}")
        check_needs(method.name, "every member", self.members, method.needs)
        for role in method.roles:
            if role.name in self.roles:
                check_needs(method.name, f"its {role.name}", self.roles[role.name], role.needs)
            elif not role.default:
                raise TeamError(f"{method.name} needs a model in the role {role.name!r}: {role.doc}")
            elif role.default != "none":
                check_needs(method.name, f"its {role.name} (by default the {role.default} member)",
                            self.members, role.needs)
        self._check_lockstep()
        if self.standing is not None and len(self.standing) != len(self.members):
            raise TeamError(f"{len(self.standing)} dev scores were given for {len(self.members)} members")

    def _check_lockstep(self) -> None:
        """A token-level team decodes all its models in lockstep: they must share a host, a vocabulary and the memory."""
        if self.method.level is not Level.TOKEN:
            return
        models = list(self.members) if NextTokens in self.method.needs else []
        models += [m for role in self.method.roles if NextTokens in role.needs for m in self.roles.get(role.name, ())]
        powers = [unworn(power) for m in models if (power := m.power(NextTokens)) is not None]
        if powers and (why := powers[0].refuses(powers, mixed=self.method.mixed)) is not None:
            raise TeamError(f"{self.method.name} of {', '.join(m.card.name for m in models)}: {why}")

    def _card(self) -> Card:
        parts = [m.card.fingerprint for m in self.members]
        roles = {k: [m.card.fingerprint for m in v] for k, v in sorted(self.roles.items())}
        contexts = [m.card.context for m in self.members if m.card.context]
        return Card(name=self.name, fingerprint=digest(["team", self.method.key(), parts, roles, self.standing]),
                    context=min(contexts, default=None), renders=False, powers=self._powers(),
                    description=f"{self.method.name} of {', '.join(m.card.name for m in self.members)}")

    def _powers(self) -> frozenset[str]:
        return powers_of(self)

    @property
    def cast(self) -> Cast:
        """The models in their parts, roles without a named model filled by their defaults."""
        roles = {role.name: self.roles[role.name] if role.name in self.roles else self._default(role.default)
                 for role in self.method.roles}
        return Cast(self.members, roles, self.standing)

    def _default(self, rule: str) -> tuple[Model, ...]:
        return tuple(member.model for member in _filling(rule, self._bind(Run())))

    def _bind(self, run: Run) -> Members:
        standing = self.standing or (None,) * len(self.members)
        everyone = tuple(Member(m, i, run, copy, copies, s) for i, (m, (copy, copies), s)
                         in enumerate(zip(self.members, self._copies, standing, strict=True)))
        return Members(everyone)

    def _cast(self, run: Run) -> Members:
        members = self._bind(run)
        roles: dict[str, tuple[Member, ...]] = {}
        for place, role in enumerate(self.method.roles):
            if role.name in self.roles:
                roles[role.name] = tuple(Member(m, len(self.members) + place, run) for m in self.roles[role.name])
            else:
                roles[role.name] = _filling(role.default, members)
        return Members(members.everyone, roles)

    @property
    def memory(self) -> Any:
        """What an ordered method has kept of the questions so far, as JSON values; None for other methods. It may be set
        (None: everything is forgotten): ConfigError for what is no memory of the method."""
        return self._keeper.told if self._keeper is not None else None

    @memory.setter
    def memory(self, told: Any) -> None:
        """Raises ConfigError for a method that keeps none, and for values that are none of its memory."""
        if self._keeper is None:
            raise ConfigError(f"{self.name} keeps no memory: {self.method.name} answers each question by itself")
        self._keeper.told = told

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return self._keeper.turn() if self._keeper is not None else nullcontext()

    async def child(self) -> Model | None:
        """The one model that answers for a merging team, made on first use; None for other methods."""
        if type(self.method).make is Method.make:
            return None
        if self._making is None:
            self._making = asyncio.Lock()
        async with self._making:
            if self._child is None:
                self._child = await self.method.make(self.cast)
        return self._child

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """One answer per draw. Draw 0 asks the members' draws 0, 1, 2, ...; draw d > 0 uses a stream of its own."""
        if draws.n == 1:
            return [await self._answer(request, draws.first, draws.stream, scope)]
        with evenly(scope, draws.n) as scopes:
            return await at_once([self._answer(request, draws.first + i, draws.stream, one) for i, one in enumerate(scopes)])

    def _run(self, draw: int, stream: str, scope: Scope) -> Run:
        own = stream if draw == 0 else f"{stream}/{self.card.fingerprint[:12]}.{draw}"
        return Run(replace(scope, extras=scope.extras | self.method.extras), own, watch=scope.watch,
                   quorum=self.method.quorum, timeout=self.method.timeout)

    async def _answer(self, request: Request, draw: int, stream: str, scope: Scope) -> Reply:
        async with self._turn():
            return await self._answered(request, draw, stream, scope)

    async def _answered(self, request: Request, draw: int, stream: str, scope: Scope) -> Reply:
        self._admit(request)
        started, run, before = clock.get(), self._run(draw, stream, scope), purse.get()
        purse.set(self._purse(scope))
        try:
            outcome = await self._decide(request, run)
            if isinstance(outcome, Last):
                outcome = await self._last(outcome)
        except ModelError as error:
            raise NoAnswerError(f"{self.name}: {error}", reason=error.reason) from error
        finally:
            purse.set(before)
        reply = self._finish(outcome, request, run, draw, started)
        clock.set(started)
        return reply

    def _purse(self, scope: Scope) -> Purse | None:
        """What one run may spend, over the calls that the method's cost formula allows."""
        if scope.ledger is None:
            return None
        return Purse(scope.ledger, most_calls(self.method, len(self.members)) or 1.0)

    def _admit(self, request: Request) -> None:
        if not isinstance(request, Request):
            raise TeamError(f"{self.name}: expected a request, Request.of({request!r}); team.ask takes a text")
        if self.method.compares and request.format is None:
            raise TeamError(f"{self.name} compares answers: the request needs an answer format, as in "
                            "Request.of(question, format=Number()); consilience.reading has Number, Choice, Exact, Free and more")
        if self.method.must_fit:
            self.method.found()

    async def _decide(self, request: Request, run: Run) -> Reply | Last:
        child = await self.child()
        if child is not None:
            return Last(Member(child, 0, run), request)
        members = self._cast(run)
        try:
            with self._speaking():
                outcome = await (self._keeper or self.method).run(request, members)
            if not isinstance(outcome, Reply | Last):
                raise TeamError(f"{self.method.name}: its run must give a Reply or a Last, got {type(outcome).__name__}")
            return outcome
        except (ModelError, NoAnswerError) as error:
            if purse.get() is None or error.reason != "budget":
                raise
            return Last.ranked(members.ranking, request, fallback="the budget pays for one member alone")

    def _speaking(self) -> AbstractContextManager[None]:
        return speaking(type(self.method), self.method.prompts)  # type: ignore[arg-type]  # checked when it was made

    async def _last(self, last: Last) -> Reply:
        _spend_all()
        reply: Reply | None = None
        failure: ModelError | NoAnswerError = NoAnswerError(f"{self.name}: no member produced any text")
        for place, (member, request) in enumerate(last.asks()):
            try:
                reply = (await member.ask(request)).noting(**{**last.note, **({"fallback": True} if place else {})})
            except (ModelError, NoAnswerError) as error:
                member.run.absent.append(absence(member, error))
                failure = error
                continue
            if reply.text or reply.score is not None:
                break
        if last.otherwise is not None:
            if reply is None:
                return last.otherwise.noting(**{**last.note, "fallback": "last ask failed"})
            if not reply.text or (reply.unreadable(last.request.format) and last.otherwise.reading is not None):
                return last.otherwise.noting(**{**last.note, "fallback": "last ask unread"})
        if reply is None:
            raise failure
        return reply

    def _finish(self, reply: Reply, request: Request, run: Run, draw: int, started: float) -> Reply:
        parts = run.tree()
        if not reply.text and reply.score is None:
            raise NoAnswerError(f"{self.name}: no member produced any text")
        if self._keeper is not None:
            self._keeper.keep()
        reply = reply.read(request.format)
        usage = sum((p.usage for p in parts), start=type(reply.usage)())
        return Reply(reply.text, reply.reading, reply.stop, usage, total_cost(parts), clock.get() - started, self.name,
                     "team", draw, started, tokens=reply.tokens, score=reply.score, parts=parts,
                     absent=tuple(run.absent), unread=reply.unreadable(request.format), note=reply.note)

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """Progress while members work, then the deltas of the last ask (or the chosen text in one piece), then `done`.

        Text that has been streamed is not taken back: a last ask that cannot be read stands, marked unread.
        """
        before = purse.get()
        purse.set(self._purse(scope))
        try:
            async with self._turn(), aclosing(self._streamed(request, draw, scope)) as events:
                async for event in events:
                    yield event
        finally:
            purse.set(before)

    async def _streamed(self, request: Request, draw: Draws, scope: Scope) -> AsyncGenerator[Event, None]:
        self._admit(request)
        started, run = clock.get(), self._run(draw.first, draw.stream, scope)
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        run.watch = lambda told: events.put_nowait(Event("progress", told))
        work = asyncio.create_task(timed(self._decide(request, run)))
        work.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait([work])
        try:
            outcome, now = work.result()
            clock.set(now)
        except ModelError as error:
            raise NoAnswerError(f"{self.name}: {error}", reason=error.reason) from error
        if isinstance(outcome, Last):
            async with aclosing(self._stream_last(outcome)) as last:
                async for event in last:
                    if event.kind == "done" and event.reply is not None:
                        outcome = event.reply
                    else:
                        yield event
        elif outcome.text:
            yield Event("delta", outcome.text)
        assert isinstance(outcome, Reply)
        yield Event("done", reply=self._finish(outcome, request, run, draw.first, started))

    async def _stream_last(self, last: Last) -> AsyncGenerator[Event, None]:
        failure: Exception = NoAnswerError(f"{self.name}: no member produced any text")
        last.member.run.watch = None
        _spend_all()
        for place, (member, request) in enumerate(last.asks()):
            spoken = False
            yield Event("progress", f"{member.name}: {stage_of(request)}")
            try:
                async with aclosing(member.stream(request)) as events:
                    async for event in events:
                        spoken = spoken or event.kind == "delta"
                        if event.kind == "done" and event.reply is not None:
                            if not event.reply.text:
                                break
                            more = {"fallback": True} if place else {}
                            yield Event("done", reply=event.reply.noting(**{**last.note, **more}))
                            return
                        yield event
            except (ModelError, NoAnswerError) as error:
                if spoken:
                    raise
                member.run.absent.append(absence(member, error))
                failure = error
        if last.otherwise is None:
            raise failure
        yield Event("delta", last.otherwise.text or "")
        yield Event("done", reply=last.otherwise.noting(**{**last.note, "fallback": "last ask failed"}))

    def power(self, kind: type[P]) -> P | None:
        """`Fits` and `Quotes` for any team; a merging team offers its child's powers once it is made."""
        if kind in (Fits, Quotes):
            return self  # type: ignore[return-value]
        if self._child is not None and kind in (NextTokens, Score, Hidden, Weights):
            return self._child.power(kind)
        return None

    def quote(self, request: Request, scope: Scope) -> Quote | None:
        """What it would cost to ask everybody once, where prices are known; of a merging team, to ask the merged model."""
        merges = type(self.method).make is not Method.make
        models = [self._child or self.members[0]] if merges else [*self.members, *(m for r in self.roles.values() for m in r)]
        powers = [power for model in models if (power := model.power(Quotes)) is not None]
        known = [quote for power in powers if (quote := power.quote(request, scope)) is not None]
        return Quote(sum(q.fixed for q in known), sum(q.each for q in known)) if known else None

    async def fit(self, dev: Dev) -> Team:
        """Learn from dev: nested teams first (on a part of their own), then the members' standing, then the method."""
        if not hasattr(dev, "replies"):
            raise TeamError(f"{self.name} learns from questions with their references, got {type(dev).__name__}: give it the dev "
                            "split of a task, consilience.task(...).dev, or consilience.tasks.Split(name, examples)")
        inner = [i for i, m in enumerate(self.members) if m.power(Fits) is not None]
        members = list(self.members)
        if inner:
            own, dev = dev.folds(2)
            for i in inner:
                members[i] = await members[i].power(Fits).fit(own)  # type: ignore[union-attr]
        table = await dev.replies(members, extras=self.method.extras)
        standing = tuple(sum(s.score for s in row) / max(1, len(row)) for row in table)
        team = Team(self.method, members, name=self.name, standing=standing, **self.roles)
        with self._speaking():
            method = await self.method.fit(dev, team.cast)
        return Team(method, members, name=self.name, standing=standing, **self.roles)

    def fit_sync(self, dev: Dev) -> Team:
        """`fit` from synchronous code."""
        return run_sync(self.fit(dev))

    def ask(self, question: str | Request, *, form: str = "answer", **sampling: Any) -> Reply:
        """Answer one question from synchronous code, in a notebook too."""
        return run_sync(ask(self, question, form=form, **sampling))

    def __repr__(self) -> str:
        return f"Team({self.method!r}, [{', '.join(m.card.name for m in self.members)}])"


TAKEN = frozenset({"self", *inspect.signature(Team).parameters})
"""Names of a team's other arguments, which no role can have."""


MODEL = ("card", "generate", "stream", "power")
"""What every model has."""


def _models(part: str, given: Any) -> tuple[Model, ...]:
    """The models of one part of a team. TeamError for what is none, such as a name that nobody looked up."""
    models = (given,) if isinstance(given, str) or hasattr(given, "card") or not isinstance(given, Iterable) else tuple(given)
    for one in models:
        lacks = ", ".join(name for name in MODEL if not hasattr(one, name))
        if isinstance(one, str):
            raise TeamError(f"{part}: {one!r} is a name; consilience.member({one!r}) makes the model, consilience.pool(...) several")
        if lacks:
            raise TeamError(f"{part}: {type(one).__name__} is no model: it has no {lacks}")
    return models


def ordered(model: Model, place: str = "team") -> dict[str, Team]:
    """The teams in a model that keep a memory, itself included, by their place in it: `team`, `team/member-2`, ..."""
    if not isinstance(model, Team):
        return {}
    found = {place: model} if isinstance(model.method, Ordered) else {}
    for role, models in {"member": model.members, **model.roles}.items():
        for i, part in enumerate(models):
            found |= ordered(part, f"{place}/{role}-{i + 1}")
    return found


def _spend_all() -> None:
    """What is left is for the ask that comes now, and for nothing after it."""
    own = purse.get()
    if own is not None:
        own.to_come = 0.0


def _filling(rule: str, members: Members) -> tuple[Member, ...]:
    """The member that fills a role by its default; nobody by `none`."""
    if rule == "none":
        return ()
    return (members[0] if rule == "first" else members.ranking[-1 if rule == "worst" else 0],)


def _copies(members: Sequence[Model]) -> list[tuple[int, int]]:
    totals = Counter(m.card.fingerprint for m in members)
    seen: Counter[str] = Counter()
    copies = []
    for member in members:
        key = member.card.fingerprint
        copies.append((seen[key], totals[key]))
        seen[key] += 1
    return copies


async def ask(model: Model, question: str | Request, *, form: str = "answer", **sampling: Any) -> Reply:
    """One reply of any model to a question, put in `form` (`answer`, or `steps` to reason first), or to a request;
    `sampling` as in `Sampling`. Somebody waits for it, so timeouts go by the clock."""
    request = question if isinstance(question, Request) else Request.of(
        question, form=form, format=_plain(), sampling=Sampling(**sampling))
    [reply] = await model.generate(request, scope=Scope(live=True))
    return reply.read(request.format)


def _plain() -> Any:
    from consilience.reading import Free
    return Free()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="consilience-sync", daemon=True).start()
    return loop


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from synchronous code on one background event loop, so that it works inside notebooks too. It ends when
    whoever waits for it is interrupted. RuntimeError when it is called on that loop, which would wait for itself."""
    if asyncio._get_running_loop() is _loop():
        work.close()
        raise RuntimeError("this is asynchronous code already: `await team.generate(...)` instead of team.ask(...)")
    running = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return running.result()
    finally:
        running.cancel()
