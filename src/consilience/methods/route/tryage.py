"""Tryage: predicted losses, and penalties that the user writes into the question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from consilience.gather import Members
from consilience.learn.estimators import fit_mlp, mlp
from consilience.learn.flags import strip_flags
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Last, Learned
from consilience.registry import register
from consilience.types import Reply, Request

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class Tryage(Router):
    """Ask the member with the least predicted loss plus what the user's flags make of its size, price and latency.

    For people who ask one team under different needs: a flag in the question, such as `[flag: size 0.2, max price 2]`,
    weighs a property (0.2 of score for the largest member, in proportion for the others) or limits it (`max size 7B`
    parameters, `max price 2` dollars per million completion tokens, `max latency 3` seconds on dev). Flags are taken out
    before anybody is asked; unknown ones are named in the reply's note. Deviation: losses are 1 - score, predicted by a
    small network on the question's vector (the paper trains a language model).
    """

    paper: ClassVar = "Tryage, arXiv 2308.11601"

    steps: Count = 400
    """Steps of training, of 200 questions each."""

    def learn(self, table: Table) -> Learned:
        """A network that predicts all members' scores, and their mean seconds on dev."""
        seconds = [float(s) for s in table.seconds.mean(axis=0)]
        return Learned({"seconds": seconds}, fit_mlp(table.x, table.scores, steps=self.steps))

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """The network's outputs, 1 - loss: [questions, members]."""
        return mlp(found.arrays, x)

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Take the flags out of the question and ask, among the members within their limits, the one worth most after their
        weights."""
        import numpy as np

        request, flags = strip_flags(request)
        values = self._values(members)
        allowed = flags.allowed(values)
        x = await self.vector(request, members) if len(allowed) > 1 else None
        worth = self.found().arrays["standing"] if x is None else self.expected(x, [request.question])[0]
        ranking = self.ranking(request, [members[m] for m in allowed], worth - np.array(flags.penalties(values)))
        last = self.answer(request, ranking, [round(float(w), 6) for w in worth])
        return replace(last, note={**last.note, "ignored": list(flags.ignored)}) if flags.ignored else last

    def _values(self, members: Members) -> Mapping[str, Sequence[float | None]]:
        """What flags speak of, by kind and team order; None where it is unknown."""
        cards = [m.card for m in members]
        return {"size": [c.parameters for c in cards], "price": [c.price.completion if c.price else None for c in cards],
                "latency": self.found().values["own"]["seconds"]}
