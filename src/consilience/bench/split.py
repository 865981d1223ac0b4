"""The dev split as a benchmark's fits see it: drafts are shared by all of them, and each is billed by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from consilience.errors import ModelError, NoAnswerError
from consilience.gather import clock
from consilience.method import Method, Scored
from consilience.model import Model
from consilience.models.wrappers.metered import Meter
from consilience.tasks.score import score
from consilience.tasks.task import Split, windowed
from consilience.team import Team
from consilience.types import Draws, Example, Reply, Scope

Known = dict[tuple[str, str, Draws, frozenset[str]], Scored]
"""Dev drafts that were scored before: (fingerprint, example, draws, extras)."""


@dataclass(frozen=True)
class DevSplit(Split):
    """Dev questions that a method may learn from (the protocol `method.Dev`).

    `known` holds drafts that other fits of the experiment have seen; each is booked once on `meter`, as if this fit
    alone had asked for it. `extras` come with every draft. Members stand in `evaluate` as they did in `replies`.
    """

    extras: frozenset[str] = frozenset()
    known: Known = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    standing: dict[tuple[str, str], float] = field(default_factory=dict)
    booked: set[tuple[str, str, Draws]] = field(default_factory=set)

    async def replies(self, models: Sequence[Model], draws: Draws = Draws(),
                      extras: frozenset[str] = frozenset()) -> list[list[Scored]]:
        """`[model][example]`: the first of the draws of each, scored; an absent model scores 0."""
        self._scorable(models)
        jobs, wanted = [(m, e) for m in models for e in self.examples], extras | self.extras

        async def one(job: tuple[Model, Example]) -> Scored:
            return await self._one(*job, draws, wanted)

        flat = await windowed(one, jobs, self.window)
        rows = [flat[i * len(self):(i + 1) * len(self)] for i in range(len(models))]
        if draws == Draws():
            self.standing.update({(self.name, m.card.fingerprint): sum(s.score for s in row) / max(1, len(row))
                                  for m, row in zip(models, rows, strict=True)})
        return rows

    async def _one(self, model: Model, example: Example, draws: Draws, extras: frozenset[str]) -> Scored:
        key = (model.card.fingerprint, example.id, draws, extras)
        found, fresh = self.known.get(key), key[:3] not in self.booked
        self.booked.add(key[:3])
        if found is None:
            found = self.known[key] = await scored(model, example, draws, Scope(example=example.id, extras=extras))
        elif fresh and found.reply is not None:
            self.meter.add(found.reply.usage, found.reply.cost, found.reply.seconds)
        return found

    async def evaluate(self, method: Method | Model, members: Sequence[Model] = ()) -> list[float]:
        """Score per example of a method with these members, or of a model as it is."""
        model: Model
        if isinstance(method, Method):
            known = [self.standing.get((self.name, m.card.fingerprint)) for m in members]
            model = Team(method, members, standing=None if None in known else [s for s in known if s is not None])
        else:
            model = method
        [row] = await self.replies([model])
        return [one.score for one in row]


async def scored(model: Model, example: Example, draws: Draws, scope: Scope) -> Scored:
    """The first of the draws, read and scored; a model that is down or silent scores 0."""
    clock.set(0.0)
    try:
        replies = await model.generate(example.request, draws, scope)
    except (ModelError, NoAnswerError):
        return Scored(None, 0.0)
    reply = as_read(replies[0], example)
    return Scored(reply, await score(example, reply))


def as_read(reply: Reply, example: Example) -> Reply:
    """The reply with its reading; a member that is asked alone does not read itself."""
    form = example.request.format
    if reply.reading is None and reply.text is not None and form is not None:
        return reply.having(reading=form.read(reply.text))
    return reply
