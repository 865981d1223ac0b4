"""The Avengers: group the dev questions, and ask whoever did best in the groups nearest to this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from consilience.errors import ConfigError, NoAnswerError
from consilience.gather import Members, ask_all, plurality
from consilience.learn.clusters import best_groups, blended, kmeans, nearby, nearest, rank_scores, ranks, worths
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Last, Learned
from consilience.registry import register
from consilience.types import Reply, Request

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class Avengers(Router):
    """Ask the members that did best in the groups of dev questions nearest to this one; several answers are put to a vote.

    Small and robust: the number of groups is the only real parameter. The authors' full recipe, for small members whose
    samples are cheap: `top: 3, draws: 10`. Fitted again, as for a new member, a team keeps its groups and learns who is
    good in them. Deviations: the number of groups is chosen on dev (the authors' is 64); a group's mean scores are drawn
    to those of all questions by two questions; the roster is left to the choice of the pool.
    """

    paper: ClassVar = "The Avengers, arXiv 2505.19797"
    cost: ClassVar = "min(N, top)*draws"

    groups: int = 0
    """Groups of questions; 0: the number that routes dev questions best by the others of their group."""
    near: Count = 11
    """Nearest groups that count."""
    beta: float = 6.0
    """How fast a group's weight falls with its distance."""
    score: Literal["accuracy", "rank"] = "accuracy"
    """What a member has in a group: its mean score there, or 1 / (rank + 0.1), with ranks from 0."""
    top: Count = 1
    """Members that answer and vote."""
    draws: Count = 1
    """Samples of each that vote."""
    reads = compares = property(lambda self: self.top > 1 or self.draws > 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.compares and self.needs_costs:
            raise ConfigError("avengers: a target about money needs top: 1 and draws: 1; what a vote is worth is not seen on dev")

    def learn(self, table: Table) -> Learned:
        """Centres of the groups, [groups, width], and what each member is worth in them, [groups, members]."""
        centres = self._centres(table)
        worth = worths(table.scores, nearest(table.x, centres), len(centres))
        worth = worth if self.score == "accuracy" else rank_scores(ranks(worth, table.standing, table.costs.mean(axis=0)))
        return Learned({}, {"centres": centres, "worth": worth})

    def _centres(self, table: Table) -> np.ndarray:
        if self.learned is not None and self.learned.values["embedding"] == self.embedding:
            known = self.learned.arrays["centres"]
            if known.shape[1] == table.x.shape[1]:
                return known
        return kmeans(table.x, self.groups) if self.groups else best_groups(
            table.x, table.scores, self.near, self.beta, table.costs.mean(axis=0) if self.needs_costs else None)

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Mean of the members' worth over the `near` nearest groups, weighed by nearness: [questions, members]."""
        return blended(found.arrays["worth"], *nearby(x, found.arrays["centres"], self.near, self.beta))

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Ask the `top` members of the ranking and let them vote; when none of those can be read, the next in the ranking."""
        last = await super().run(request, members)
        if not self.compares or not isinstance(last, Last):
            return last
        picked, rest = (last.member, *last.then)[:self.top], last.then[self.top - 1:]
        try:
            return (await plurality(request, await ask_all(picked, request, self.draws))).noting(**last.note)
        except NoAnswerError:
            return Last.ranked(rest or picked, request, **last.note)
