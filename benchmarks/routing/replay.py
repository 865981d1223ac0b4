"""One split of a set, played by one method: fitted on dev, replayed on test, at every setting of its trade-off."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from consilience.bench.fits import needs_fit
from consilience.errors import TeamError
from consilience.learn.embedding import fitted
from consilience.learn.goals import Aimed
from consilience.learn.routers import Router, price_for, prices
from consilience.method import Learned, Method, Scored
from consilience.model import Card, Embed, Measured, Model, P
from consilience.tasks.task import Split, windowed
from consilience.team import Team, run_sync
from consilience.types import Draws, Event, Example, Reply, Request, Scope, Usage, digest
from sets import Recordings

SETTINGS = 24
"""Prices of money at which a router is measured."""
CHECKED = 25
"""Test questions on which the batched choices of a router are held against the team's own answers."""
FEW = 3
"""Prices at which a router is measured that does more than to ask one member."""
WORTHS = (0.5,)
"""Trade-offs at which other methods are fitted, relative to what the best member's advantage costs."""
PLAIN = ("run", "choose", "ranking", "answer")
"""What a router must leave as it is for its choices to be taken in one batch."""


@dataclass(frozen=True)
class Known(Split):
    """Questions whose replies are gathered once for all methods."""

    rows: dict[Any, list[list[Scored]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def _scorable(self, models: Sequence[Model]) -> None:
        """Whatever a team of recorded members chooses carries its recorded score."""

    async def replies(self, models: Sequence[Model], draws: Draws = Draws(),
                      extras: frozenset[str] = frozenset()) -> list[list[Scored]]:
        """As `Split` does, from memory where the same was asked before."""
        key = (tuple(m.card.fingerprint for m in models), draws, extras)
        if key not in self.rows:
            self.rows[key] = await super().replies(models, draws, extras)
        return self.rows[key]


class Vectors:
    """The default vectors of a split's questions, fitted on dev and made once for all routers: it plays their embedder."""

    def __init__(self, dev: Sequence[str], test: Sequence[str]) -> None:
        distinct = tuple(dict.fromkeys(dev))
        self.encoder = fitted("tfidf", distinct)
        self.card = Card("tfidf", digest(["tfidf", *distinct]))
        texts = list(dict.fromkeys((*distinct, *test)))
        self.known = dict(zip(texts, self.encoder.encode(texts), strict=True))

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """Float32 [texts, width]."""
        return np.stack([self.known[text] for text in texts])

    async def embed(self, texts: Sequence[str]) -> Measured[np.ndarray]:
        """The vectors, at no cost."""
        return Measured(self.of(texts), Usage(), 0.0)

    def power(self, kind: type[P]) -> P | None:
        """It embeds and does nothing else."""
        return self if kind is Embed else None  # type: ignore[return-value]

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """It has no answers."""
        raise NotImplementedError

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """It has no answers."""
        raise NotImplementedError


@dataclass(frozen=True)
class Arena:
    """A split of a set, with what every member did: float arrays [questions, members] (`cost` in dollars, NaN unknown)."""

    recordings: Recordings
    seed: int
    dev: Known
    test: tuple[Example, ...]

    @classmethod
    def of(cls, recordings: Recordings, seed: int, dev: int, test: int) -> Arena:
        """The split of this seed, at most so many questions."""
        here, there = recordings.split(seed, dev, test)
        return cls(recordings, seed, Known(recordings.source.name, tuple(here)), tuple(there))

    @property
    def members(self) -> Sequence[Model]:
        """The recorded models."""
        return self.recordings.members

    @cached_property
    def on_dev(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores and costs of the members on dev."""
        return _table(run_sync(self.dev.replies(self.members)))

    @cached_property
    def on_test(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores and costs of the members on test."""
        return _table(run_sync(Known("test", self.test).replies(self.members)))

    @cached_property
    def vectors(self) -> Vectors:
        """The questions' vectors."""
        return Vectors([e.question for e in self.dev], [e.question for e in self.test])

    @property
    def best(self) -> int:
        """The best member on dev (ties: the cheaper, then the first)."""
        quality, cost = (a.mean(axis=0) for a in self.on_dev)
        return int(np.lexsort((np.nan_to_num(cost, nan=np.inf), -np.round(quality, 12)))[0])


def _table(rows: list[list[Scored]]) -> tuple[np.ndarray, np.ndarray]:
    return (np.array([[s.score for s in row] for row in rows]).T,
            np.array([[_dollars(s) for s in row] for row in rows], dtype=float).T)


def _dollars(one: Scored) -> float:
    if one.reply is None:
        return 0.0
    return float("nan") if one.reply.cost is None else one.reply.cost


@dataclass(frozen=True)
class Played:
    """What a method did on test: [settings, questions]; the first setting is the method without a target. `calls` are
    those of the first setting, `fit` and `decide` CPU seconds (of all fits; per question). `preference` [questions] is how
    much a router of two members prefers the strong one, NaN for methods that do not say. `expected` is what fitting
    told to expect of the first setting."""

    quality: np.ndarray
    cost: np.ndarray
    preference: np.ndarray
    calls: float
    fit: float
    decide: float
    expected: Mapping[str, Any]


def play(arena: Arena, method: Method, members: Sequence[Model] | None = None) -> Played:
    """Fit on dev, replay on test. Raises TeamError or ConfigError where the set cannot replay the method."""
    roles: dict[str, Model] = {"embedder": arena.vectors} if any(r.name == "embedder" for r in method.roles) else {}
    if method.reads and not any(s.reply and s.reply.text for s in run_sync(arena.dev.replies(arena.members))[0]):
        raise TeamError("it reads texts, and only scores were recorded")
    started = time.process_time()
    team = Team(method, members or arena.members, **roles)
    if needs_fit(team):
        team = run_sync(team.fit(arena.dev))
    if isinstance(method, Router) and all(getattr(type(method), part) is getattr(Router, part) for part in PLAIN):
        return _routed(arena, team, time.process_time() - started)
    return _replayed(arena, team, started)


def _routed(arena: Arena, team: Team, fitting: float) -> Played:
    """A router that asks one member: its choices at all prices of money, from one batch of estimates."""
    started = time.process_time()
    found, router = team.method.found(), team.method
    assert isinstance(router, Router)
    texts = [e.question for e in arena.test]
    worth = router.expected(arena.vectors.of(texts), texts)
    cost = found.arrays["cost"]
    levels = [np.array([[price_for(text, found.values["prices"])] for text in texts])]
    if arena.recordings.priced:
        levels += [np.array([[level]]) for level in _some(prices(worth, cost[None, :]))]
    decide = (time.process_time() - started) / len(texts)
    order = np.lexsort((cost, -np.asarray(found.arrays["standing"])))
    picks = [order[np.argmax(np.round(worth - level * cost, 9)[:, order], axis=1)] for level in levels]
    _held_against(arena, team, picks[0])
    score, paid = arena.on_test
    rows = np.arange(len(texts))
    preference = worth[:, 1] - worth[:, 0] if worth.shape[1] == 2 else np.full(len(texts), np.nan)
    return Played(np.stack([score[rows, p] for p in picks]), np.stack([paid[rows, p] for p in picks]), preference, 1.0,
                  fitting, decide, found.values["expected"])


def _some(levels: Sequence[float], most: int = SETTINGS) -> list[float]:
    """At most so many of the prices, evenly spread."""
    return [levels[i] for i in np.unique(np.linspace(0, len(levels) - 1, most).round().astype(int))]


def _held_against(arena: Arena, team: Team, picks: np.ndarray) -> None:
    """The team itself must ask whom the batch chose."""
    async def route(example: Example) -> str:
        return str((await team.generate(example.request, scope=Scope(example=example.id)))[0].note["route"])

    told = run_sync(windowed(route, arena.test[:CHECKED], CHECKED))
    batch = [arena.members[p].card.name for p in picks[:CHECKED]]
    if told != batch:
        raise AssertionError(f"{team.name} on {arena.recordings.source.name}: the team asked {told}, the batch chose {batch}")


def _replayed(arena: Arena, team: Team, started: float) -> Played:
    """Any other method, question by question."""
    teams = [team, *_targeted(arena, team)]
    fitting, started = time.process_time() - started, time.process_time()
    rows = run_sync(Known("test", arena.test).replies(teams))
    decide = (time.process_time() - started) / len(arena.test) / len(teams)
    _all_recorded(rows[0])
    calls = float(np.mean([s.reply.usage.calls if s.reply else 0 for s in rows[0]]))
    learned = team.method.learned
    return Played(np.array([[s.score for s in row] for row in rows]), np.array([[_dollars(s) for s in row] for row in rows], float),
                  np.full(len(arena.test), np.nan), calls, fitting, decide, learned.values.get("expected", {}) if learned else {})


def _all_recorded(rows: Sequence[Scored]) -> None:
    """TeamError when a method asked its members things that were not recorded, and went on without them."""
    missing = [a for s in rows if s.reply for a in s.reply.absent if a.reason == "not-recorded"]
    if len(missing) > len(rows) / 10:
        raise TeamError(f"it asks members what was not recorded: {missing[0].detail}")


def _targeted(arena: Arena, team: Team) -> list[Team]:
    """The team at other prices of money where those are its setting, else fitted anew to several trade-offs."""
    method = team.method
    if not arena.recordings.priced or not isinstance(method, Aimed) or not method.learns:
        return []
    if isinstance(method, Router):
        found, texts = method.found(), [e.question for e in arena.test]
        levels = _some(prices(method.expected(arena.vectors.of(texts), texts), found.arrays["cost"][None, :]), FEW)
        made = [replace(method, learned=Learned({**found.values, "prices": (p, p, 0.0)}, found.arrays)) for p in levels]
        return [Team(one, team.members, standing=team.standing, **team.roles) for one in made]
    made = [replace(method, learned=None, tradeoff=worth) for worth in _worths(arena)]
    return [run_sync(Team(one, team.members, **team.roles).fit(arena.dev)) for one in made]


def _worths(arena: Arena) -> list[float]:
    """Trade-offs around that at which the best member is worth its money against the cheapest."""
    quality, cost = (a.mean(axis=0) for a in arena.on_dev)
    cheap = int(np.argmin(cost))
    gain, price = quality[arena.best] - quality[cheap], 1000 * (cost[arena.best] - cost[cheap])
    return [w * gain / price for w in WORTHS] if gain > 0 and price > 0 else []

