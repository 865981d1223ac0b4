"""The dev split as fitting sees it, and how a reply is scored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from consilience.errors import ModelError, NoAnswerError, TaskError
from consilience.gather import clock
from consilience.method import Method, Scored
from consilience.model import Model
from consilience.models.wrappers.metered import Meter
from consilience.team import Team
from consilience.types import Draws, Example, Reply, Scope, digest

FOLD_SALT = "folds"


async def score(example: Example, reply: Reply) -> float:
    """0..1: the recorded score where the reply carries one, else the format's verdict on the reading."""
    if reply.score is not None:
        return reply.score
    form = example.request.format
    if form is None:
        raise TaskError(f"question {example.id} has no answer format, so its answers cannot be scored")
    reading = reply.reading if reply.reading is not None or reply.text is None else form.read(reply.text)
    return await form.score(reading, example.references)


Known = dict[tuple[str, str, Draws, frozenset[str]], Scored]
"""Dev drafts that were scored before: (fingerprint, example, draws, extras)."""


@dataclass(slots=True)
class Split:
    """Dev questions that a method may learn from (the protocol `Dev`).

    At most `window` questions are worked on at once. `known` holds drafts that other fits of the experiment have
    seen; each is booked once on `meter`, as if this fit alone had asked for it.
    """

    examples: Sequence[Example]
    window: int = 64
    extras: frozenset[str] = frozenset()
    known: Known = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    standing: dict[str, float] = field(default_factory=dict)
    booked: set[tuple[str, str, Draws]] = field(default_factory=set)

    async def replies(self, models: Sequence[Model], draws: Draws = Draws(),
                      extras: frozenset[str] = frozenset()) -> list[list[Scored]]:
        """`[model][example]`: the first draw of each, scored; an absent model scores 0."""
        gate, extras = asyncio.Semaphore(self.window), extras | self.extras

        async def one(model: Model, example: Example) -> Scored:
            async with gate:
                return await self._scored(model, example, draws, extras)

        async with asyncio.TaskGroup() as group:
            table = [[group.create_task(one(m, e)) for e in self.examples] for m in models]
        rows = [[task.result() for task in row] for row in table]
        for model, row in zip(models, rows, strict=True):
            if draws == Draws():
                self.standing[model.card.fingerprint] = sum(s.score for s in row) / max(1, len(row))
        return rows

    async def _scored(self, model: Model, example: Example, draws: Draws, extras: frozenset[str]) -> Scored:
        key = (model.card.fingerprint, example.id, draws, extras)
        found, first = self.known.get(key), key[:3] not in self.booked
        self.booked.add(key[:3])
        if found is None:
            found = self.known[key] = await scored(model, example, draws, Scope(example=example.id, extras=extras))
        elif first and found.reply is not None:
            self.meter.add(found.reply.usage, found.reply.cost, found.reply.seconds)
        return found

    async def evaluate(self, method: Method, members: Sequence[Model]) -> list[float]:
        """Score per example of a team of these members, who stand as they did in `replies`."""
        known = [self.standing.get(m.card.fingerprint) for m in members]
        standing = None if None in known else [s for s in known if s is not None]
        [row] = await self._part(self.examples).replies([Team(method, members, standing=standing)])
        return [s.score for s in row]

    def _part(self, examples: Sequence[Example]) -> Split:
        return Split(examples, self.window, self.extras, self.known, self.meter, booked=self.booked)

    def folds(self, k: int) -> list[Split]:
        """k parts of nearly equal size; questions of one content or one cluster stay together."""
        groups: dict[str, list[Example]] = {}
        for example in self.examples:
            groups.setdefault(example.cluster or digest([FOLD_SALT, example.question]), []).append(example)
        parts: list[list[Example]] = [[] for _ in range(k)]
        for name in sorted(groups, key=lambda name: (-len(groups[name]), digest([FOLD_SALT, name]))):
            min(parts, key=len).extend(groups[name])
        return [self._part(part) for part in parts]


async def scored(model: Model, example: Example, draws: Draws, scope: Scope) -> Scored:
    """The first of the draws, read and scored; a model that is down or silent scores 0."""
    clock.set(0.0)
    try:
        replies = await model.generate(example.request, draws, scope)
    except (ModelError, NoAnswerError):
        return Scored(None, 0.0)
    reply, form = replies[0], example.request.format
    if reply.reading is None and reply.text is not None and form is not None:
        reply = reply.having(reading=form.read(reply.text))
    return Scored(reply, await score(example, reply))
