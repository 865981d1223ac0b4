"""The dev split as a benchmark's fits see it: drafts are shared by all of them, and each is billed by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from consilience.method import Scored
from consilience.model import Model
from consilience.models.wrappers.metered import Meter
from consilience.tasks.task import Split
from consilience.types import Draws, Example

Known = dict[tuple[str, str, Draws, frozenset[str]], Scored]
"""Dev drafts that were scored before: (fingerprint, example, draws, extras)."""


@dataclass(frozen=True)
class DevSplit(Split):
    """Dev questions that a method may learn from (the protocol `method.Dev`).

    `known` holds drafts that other fits of the experiment have seen; each is booked once on `meter`, as if this fit
    alone had asked for it. `extras` come with every draft. Teams that are tried out are dressed.
    """

    extras: frozenset[str] = frozenset()
    known: Known = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    dress: Callable[[Model], Model] = lambda model: model
    booked: set[tuple[str, str, Draws]] = field(default_factory=set)

    def tried(self, model: Model) -> Model:
        """The model, dressed."""
        return self.dress(model)

    async def draft(self, model: Model, example: Example, draws: Draws, extras: frozenset[str]) -> Scored:
        """The first of the draws, read and scored: asked for, or known from another fit."""
        key = (model.card.fingerprint, example.id, draws, extras | self.extras)
        found, fresh = self.known.get(key), key[:3] not in self.booked
        self.booked.add(key[:3])
        if found is None:
            found = self.known[key] = await super().draft(model, example, draws, extras | self.extras)
        elif fresh and found.reply is not None:
            self.meter.add(found.reply.usage, found.reply.cost, found.reply.seconds)
        return found
