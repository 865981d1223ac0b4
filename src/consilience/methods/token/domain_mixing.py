"""Domain-weighted mixing: the members' distributions, each weighted by how likely the question lies in its domain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from consilience.gather import Members, write_together
from consilience.learn.embedding import check_name, encode, fitted, restored
from consilience.learn.mixing import Mixed, softmax
from consilience.learn.neighbours import best_size, neighbours
from consilience.learn.table import Table
from consilience.learn.trials import best
from consilience.method import Cast, Dev, Level, Method
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class DomainMixing(Method):
    """Mix probabilities, p(token) = sum of p(domain of member | question) times the member's p(token), along the whole answer.

    The posterior is softmax(expected score / tau), the score expected from the most similar dev questions. Between a router
    (tau 0: one member decodes alone) and an even mixture (tau large): it pays where the router is unsure. tau is chosen on
    dev. Deviation: domains are learned from dev scores, where the source has texts of each domain.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "HDEE, arXiv 2502.19385; domain posteriors: Branch-Train-Merge, arXiv 2208.03306"
    cost: ClassVar = "N"
    needs: ClassVar = (NextTokens,)
    must_fit: ClassVar = True

    tau: float | None = None
    """Temperature of the posterior, in points of score; none: the best of 0.02, 0.1, 0.3 and 1 on dev."""
    pool: Literal["probabilities", "logits"] = "probabilities"
    """What is mixed."""
    embedding: str = field(default="tfidf", kw_only=True)
    """Vectors of questions, as for routers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.embedding)

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Keep the dev questions' vectors and scores, choose how many neighbours count, and `tau` among four unless it is
        given."""
        table = await Table.of(dev, cast.members)
        encoder = fitted(self.embedding, table.texts)
        x = await encode(encoder, table.texts)
        arrays = {"known": x, "merit": table.scores, **encoder.arrays()}
        made = self.with_learned({"k": best_size(x, table.scores), "tau": self.tau or 0.1}, **arrays)
        if self.tau is not None:
            return made
        tried = {t: made.with_learned({**made.found().values, "tau": t}, **arrays) for t in (0.1, 0.02, 0.3, 1.0)}
        return tried[await best(dev, cast, tried)]

    async def run(self, request: Request, members: Members) -> Reply:
        """Weigh the members by their scores on like dev questions and decode with these weights, which the note names."""
        found = self.found()
        x = restored(self.embedding, found.arrays).encode([request.question])
        near = neighbours(x @ found.arrays["known"].T, found.values["k"])
        worth = found.arrays["merit"][near[0]].mean(axis=0) if x.any() else found.arrays["merit"].mean(axis=0)
        weights = softmax([float(w) for w in worth], found.values["tau"] if self.tau is None else self.tau)
        reply = await write_together(members, request, Mixed(self.pool), members.ranking, state=weights)
        return reply.noting(weights={m.name: round(w, 6) for m, w in zip(members, weights, strict=True)})
