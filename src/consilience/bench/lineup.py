"""From the words of an experiment to bound models: the pool, the teams, and what wears the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from consilience.bench.experiment import Entry, Experiment, Seat
from consilience.bench.code import code_digest
from consilience.errors import ConfigError, did_you_mean
from consilience.method import Level, Method
from consilience.model import Card, Model
from consilience.models.resolve import Resolver
from consilience.models.wrappers.base import Wrapper
from consilience.models.wrappers.budgeted import Budgeted
from consilience.models.wrappers.metered import Meter, Metered
from consilience.models.wrappers.stored import Stored
from consilience.registry import method as registered
from consilience.saved import load
from consilience.store import Store
from consilience.team import Team
from consilience.types import Draws, Event, Reply, Request, Scope, digest

DECODING = (Level.TOKEN, Level.LATENT)
"""Levels whose teams' replies are draws: no member alone says what they say."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The members of an experiment, the models that are only named in roles, and those shown beside the teams."""

    members: tuple[Model, ...]
    roles: Mapping[str, tuple[Seat, ...]] = field(default_factory=dict)
    resolver: Resolver = field(default_factory=Resolver)
    beside: tuple[Model, ...] = ()

    def seat(self, seat: Seat) -> Model:
        """A member by name or spec, a model from elsewhere, or a nested team."""
        if isinstance(seat, Entry):
            return self.team(seat)
        for model in (*self.members, *self.beside):
            if seat in (model.card.name, model.card.spec):
                return model
        try:
            return self.resolver.model(seat)
        except ConfigError as error:
            names = {m.card.name for m in self.members}
            raise ConfigError(f"{seat!r} is no member of the pool.{did_you_mean(seat, names)} As a model: {error}") from None

    def team(self, entry: Entry) -> Team:
        """The team of an entry over its members, or over the whole pool. Raises TeamError or ConfigError."""
        if entry.saved is not None:
            return _saved(entry)
        method = registered(entry.method, entry.options)
        members = [self.seat(s) for s in entry.members] or list(self.members)
        return Team(method, members, name=entry.name, **self._cast(method, entry))

    def _cast(self, method: Method, entry: Entry) -> dict[str, tuple[Model, ...]]:
        """Roles named for this entry, then those named for the experiment that the method has."""
        known = {role.name for role in method.roles}
        named = {**{k: v for k, v in self.roles.items() if k in known}, **entry.roles}
        return {name: tuple(self.seat(s) for s in seats) for name, seats in named.items()}


def make_pool(experiment: Experiment, own: Sequence[Model] | None) -> Pool:
    """The pool of an experiment; `own` models stand in for what it names. ConfigError when two have one name."""
    resolver = Resolver(folder=experiment.folder)
    members, beside = list(own or ()), []
    for seat in experiment.pool if own is None else ():
        found = Pool(tuple(members), resolver=resolver)
        members += [found.team(seat)] if isinstance(seat, Entry) else resolver.pool(seat)
        beside += [] if isinstance(seat, Entry) else resolver.beside(seat)
    names = [m.card.name for m in members]
    beside = [m for m in beside if m.card.name not in names]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"pool: two members are called {name!r}; name each once, or give one another name: "
                              "{model: ..., name: ...}")
    if not members:
        raise ConfigError("pool: no members")
    return Pool(tuple(members), experiment.roles, resolver, tuple(beside))


def _saved(entry: Entry) -> Team:
    assert entry.saved is not None
    team = load(entry.saved)
    return Team(team.method, team.members, name=entry.name, standing=team.standing, **team.roles)


def wear(model: Model, store: Store | None, meter: Meter) -> Model:
    """A model whose draws are kept (where there is a store), whose spending now is counted, and which pays from the
    ledger of a call. In a team, the members wear it.

    Teams that decode wear it too: their replies are draws. Recorded members are kept already, and cost nothing now.
    """
    if isinstance(model, Team):
        team = over(model, lambda m: wear(m, store, meter))
        if model.method.level not in DECODING:
            return team
        counted: Model = Decoding(team, meter)
    elif model.card.recorded:
        return Budgeted(model)
    else:
        counted = Metered(model, meter)
    return Budgeted(counted if store is None else Stored(counted, store))


class Decoded(Wrapper):
    """A team whose decoded texts are counted: its members' powers make them, past the members' own meters."""

    def __init__(self, inner: Model, meter: Meter) -> None:
        super().__init__(inner)
        self.meter = meter

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """The draws, counted."""
        replies = await self.inner.generate(request, draws, scope)
        for reply in replies:
            self._count(reply)
        return replies

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """The stream, counted when it is done."""
        async for event in self.inner.stream(request, draw, scope):
            if event.reply is not None:
                self._count(event.reply)
            yield event

    def _count(self, reply: Reply) -> None:
        for part in reply.parts:
            if part.asked == "decode":
                self.meter.add(part.usage, part.cost, part.seconds)


class Decoding(Decoded):
    """A decoding team, counted, whose fingerprint covers the code of its methods: its replies are kept as draws."""

    def __init__(self, inner: Team, meter: Meter) -> None:
        super().__init__(inner, meter)
        self._card = replace(inner.card, fingerprint=digest([inner.card.fingerprint, code_digest(inner)]))

    @property
    def card(self) -> Card:
        """The team's card, with a fingerprint that changes with the code too."""
        return self._card


def tried(model: Model, store: Store, spending: Meter, bill: Meter) -> Model:
    """A team that a fit tries out over members that are worn: what it decodes is kept, counted, and on the bill."""
    if not isinstance(model, Team) or model.method.level not in DECODING:
        return model
    return Decoded(Stored(Decoding(model, spending), store), bill)


def wear_inside(team: Team, store: Store, meter: Meter) -> Team:
    """`wear`, with the team itself left bare, so that it can be fitted."""
    return over(team, lambda m: wear_inside(m, store, meter) if isinstance(m, Team) else wear(m, store, meter))


def count_inside(team: Team, meter: Meter) -> Team:
    """A team whose members' recorded bills are counted, whoever paid them first."""
    return over(team, lambda m: count_inside(m, meter) if isinstance(m, Team) else Metered(m, meter))


def over(team: Team, change: Callable[[Model], Model]) -> Team:
    """A team with every member and role model changed."""
    roles = {k: tuple(change(m) for m in v) for k, v in team.roles.items()}
    return Team(team.method, [change(m) for m in team.members], name=team.name,
                standing=team.standing, memory=team.memory, **roles)


def leaves(model: Model) -> list[Model]:
    """The models below a team (members and roles), each once, in order."""
    if not isinstance(model, Team):
        return [model]
    found: dict[str, Model] = {}
    for part in (*model.members, *(m for role in model.roles.values() for m in role)):
        for leaf in leaves(part):
            found.setdefault(leaf.card.fingerprint, leaf)
    return list(found.values())
