"""Cascade routing: after every answer, decide anew which member, if any, is worth asking next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from consilience.gather import Members, place_of
from consilience.learn.embedding import check_name
from consilience.learn.foresight import Guide, foresee, shown, walk
from consilience.learn.goals import Aimed, costs_known
from consilience.learn.routers import check_members
from consilience.learn.table import Table, alone, distinct
from consilience.learn.wayfinding import members_of, pool
from consilience.method import Cast, Count, Dev, Last, Level
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class CascadeRouting(Aimed):
    """At every step, of all sets of members that hold those already asked, the one is taken whose best answer is worth
    most after its cost; its cheapest open member is asked, or the best answer so far given when none is open.

    Scores are foreseen from the question (ridge regression) and corrected by how the answers so far look and which agree;
    expected maxima are over 128 Sobol points. The price of money, and the share of ties that go to the dearer set, are what
    the target asks for, or score best on dev. Use it with members of known prices, where neither choosing first nor one
    order of climbing is best. Deviations: one price for all steps; all sets of up to `depth` members are looked at, so
    nothing is pruned; of more than 8 members the most useful 8 are planned with.
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "Cascade Routing, arXiv 2410.10347"
    cost: ClassVar = "min(N, depth)"
    reads: ClassVar = False
    must_fit: ClassVar = True

    depth: Count = 3
    """Members asked about one question, at most."""
    evidence: Literal["text", "mean", "min"] = "text"
    """How answers are rated: by a scorer of their text, or by the mean or least probability of their tokens."""
    embedding: str = "tfidf"
    """Vectors of questions and answers: `tfidf` (needs nothing), `model2vec:NAME`, `sentence-transformers:NAME`."""
    folds: Count = 5
    """Parts of dev, each estimated from the others."""
    extras = property(lambda self: frozenset({"logprobs"} if self.evidence != "text" else ()))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.embedding)

    def check(self, cast: Cast) -> None:
        """Raises TeamError for other members than those that it was fitted for."""
        check_members(self, cast)

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Learn from the members' dev answers who is worth considering (`pool`) and what an answer seen tells of those not
        yet asked, then choose the price of money for the target. ConfigError where the target needs a cost that is
        unknown."""
        asked, rows = await dev.replies(cast.members, extras=self.extras), distinct(dev.examples)
        whole = Table.made(tuple(m.card.name for m in cast.members), dev.examples, asked)
        costs_known(self, whole.costs, whole.names)
        places = pool(whole)
        told = await shown([dev.examples[i].request for i in rows], [[asked[m][i].reply for m in places] for i in rows], self.evidence)
        guide, seen = await foresee(self.embedding, self.depth, self.folds, members_of(whole, places), told, self.evidence)
        way, expected = seen.settled(self, whole.scores[:, whole.best])
        values = {"members": list(whole.names), "pool": places, "depth": guide.planner.depth, "way": way,
                  "expected": {**expected, **alone(whole)}}
        return self.with_learned(values, **guide.arrays())

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Ask members one after the other while another answer is expected to be worth its cost, and give the answer of the
        highest expected quality. Without any, the members that were not asked, best on dev first."""
        if len(members) == 1:
            return Last(members[0], request)
        found = self.found()
        guide, open_to = Guide.restored(self.embedding, found), [members[place] for place in found.values["pool"]]
        got, quality = await walk(guide, found.values["way"], request, open_to, self.evidence)
        given = [(-round(float(q), 9), place_of(member), r) for q, member, r in zip(quality, open_to, got, strict=True)
                 if r is not None and (r.text or r.score is not None)]
        if not given:
            rest = [m for m in members.ranking if m not in open_to or got[open_to.index(m)] is None]
            return Last.ranked(rest, request) if rest else Reply(None)
        worth, _, reply = min(given, key=lambda g: g[:2])
        return reply.noting(route=reply.model, expected=-worth, asked=sum(r is not None for r in got))
