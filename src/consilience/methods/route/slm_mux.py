"""SLM-MUX: every member is sampled several times, and the one that agrees with itself most is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from consilience.errors import NoAnswerError
from consilience.gather import Members, ask_all
from consilience.learn.confidence import surest
from consilience.learn.goals import Aimed, costs_known
from consilience.learn.mux import sampled
from consilience.learn.routers import check_members
from consilience.method import Cast, Count, Dev, Last, Level
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class SlmMux(Aimed):
    """Each member answers `draws` times; the answer of the one whose samples agree most is given, that of most of them.

    Ties go to the member better on dev; samples that cannot be read count in the whole. With `size`, dev is searched for
    the 2 to `size` members that complement each other; with a target, for the members that meet it. Use it with several
    small members whose answers can be compared. Deviation: samples are drawn as the experiment says (paper: 0.3).
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "SLM-MUX, arXiv 2510.05077"
    cost: ClassVar = "(N if size == 0 else min(N, size))*draws"
    compares: ClassVar = True

    draws: Count = 5
    """Samples of each member."""
    size: int = 0
    """Members to search for on dev, at most; 0: all answer."""
    contradiction: float = 0.5
    """What a question counts against a set when a member is unanimous and wrong on it, in the search."""
    solid: Count = 2
    """Samples that must be right for a question to count as solved, in the search."""
    must_fit = property(lambda self: self.size > 0 or self.aims)

    def check(self, cast: Cast) -> None:
        """Raises TeamError for other members than those that it was fitted for."""
        check_members(self, cast)

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Choose the set of members that plays best on dev, of `size` or, under a target, of any size up to it."""
        if not self.must_fit:
            return self
        seen = await sampled(dev, cast.members, self.draws)
        costs_known(self, seen.table.costs, seen.table.names)
        size, told = self.size or len(cast.members), (self.contradiction, self.solid)
        sets = [*seen.sets(1, size, *told)] if self.aims else [seen.search(size, *told)]
        settled = self.settle(seen.play(sets))
        return self.with_learned({"members": list(seen.table.names), "chosen": list(sets[settled.setting]),
                                  "expected": dict(settled.expected)})

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Ask the set `draws` times each; give the answer of whoever agrees with itself most. When nobody of it answers, the
        others, best on dev first."""
        chosen = self.found().values["chosen"] if self.must_fit else range(len(members))
        try:
            wave = await ask_all([members[place] for place in chosen], request, self.draws)
            return await surest(request, wave, "agreement")
        except NoAnswerError:
            rest = [m for m in members.ranking if m.index not in chosen]
            if not rest:
                raise
            return Last.ranked(rest, request)
