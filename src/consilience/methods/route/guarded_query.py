"""Guarded query routing: questions unlike anything seen in fitting are refused or deferred, all others go to an expert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from consilience.gather import Members
from consilience.learn.clusters import categories, worths
from consilience.learn.domains import fit_guard, likeness
from consilience.learn.experts import clear
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Last, Learned, Role, Share
from consilience.registry import register
from consilience.types import Reply, Request

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class GuardedQuery(Router):
    """Ask the member that is best in the question's domain, unless the question is of no domain: then refuse or defer.

    For a team that answers to the public and shall stay with its subject: other languages, other subjects and texts
    without known words are told at no call. Domains are the sub-tasks (skills) of dev, or groups of like questions where
    it has none. The note says `domain`, `sure` and `rejected`. Words are hashed 1- and 2-grams; an expert must beat the
    best member in its domain by a standard error.
    """

    paper: ClassVar = "Guarded Query Routing, arXiv 2505.14524"
    roles: ClassVar = (*Router.roles, Role("generalist", (), "none", "answers what is deferred, instead of the best on dev"))

    on_reject: Literal["defer", "refuse"] = "defer"
    """Whether the generalist (the best on dev unless named) answers what is rejected, or nobody, with the text `refusal`."""
    refusal: str = "This is outside of what this team is set up to answer."
    """What a refused question is told."""
    delta: Share = 0.05
    """Share of questions like those of dev that may be rejected."""
    theta: float | None = None
    """Least likeness to some domain; none: the largest that keeps to `delta` on a held-out fifth of dev."""
    guard: Literal["centroid", "wide"] = "centroid"
    """Likeness: to the mean of a domain's texts, or of a network with one wide layer and one sigmoid per domain (WideMLP)."""
    width: Count = 128
    """Width of that layer (the authors' has 1024)."""
    groups: Count = 8
    """Groups of like questions where dev has no sub-tasks."""

    def learn(self, table: Table) -> Learned:
        """The domains, what tells a question's likeness to them, the least likeness `theta`, and the worth of the members in
        each: [domains, members]."""
        kinds, kind = categories(table.x, table.groups, self.groups)
        arrays, theta = fit_guard(table.texts, kind, len(kinds), self.width if self.guard == "wide" else 0, self.delta)
        worth = clear(table.scores, kind, worths(table.scores, kind, len(kinds)), table.best, 1.0)
        return Learned({"theta": theta, "kinds": kinds}, {**arrays, "worth": worth})

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """The members' worth in the likeliest domain: [questions, members]."""
        worth: np.ndarray = found.arrays["worth"][likeness(found.arrays, texts).argmax(axis=1)]
        return worth

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Refuse or defer a question of no domain, at no call of its own; ask the expert for all others."""
        own, like = self.found().values["own"], likeness(self.found().arrays, [request.question])[0]
        sure = float(like.max())
        rejected = sure <= 0 or sure < (own["theta"] if self.theta is None else self.theta)
        note = {"domain": own["kinds"][int(like.argmax())], "sure": round(sure, 6), "rejected": rejected}
        if rejected and self.on_reject == "refuse":
            return Reply(self.refusal, cost=0.0, model=self.name, note=note)
        if rejected and members.roles["generalist"]:
            generalist = members.role("generalist")
            return Last.ranked([generalist, *members.ranking], request, **{**note, "route": generalist.name})
        last = self.choose(request, members, None if rejected else await self.vector(request, members))
        return replace(last, note={**last.note, **note})
