"""kNN router: ask whoever did best on the most similar dev questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from consilience.errors import ConfigError, TeamError
from consilience.gather import Members, place_of
from consilience.learn.neighbours import best_size, expected
from consilience.learn.vectors import TextVectors
from consilience.method import Cast, Dev, Last, Level, Method, Scored
from consilience.registry import register
from consilience.types import Request


@register
@dataclass(frozen=True)
class KnnRouter(Method):
    """Ask the member with the best mean score over the `k` dev questions most similar to this one.

    Ties go to the member better on dev; when the chosen one fails, the next answers. Deviations: the scores of all
    members are averaged over the neighbours (the first form votes on the name of the best), and similarity is the
    cosine of TF-IDF word n-grams, fitted on dev with no model to download, instead of sentence embeddings.
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "RouterBench, arXiv 2403.12031; FusionBench, arXiv 2507.10540"
    cost: ClassVar = "1"
    reads: ClassVar = False
    must_fit: ClassVar = True

    k: int = 0
    """Neighbours; 0: the number that routes dev questions best by their other neighbours."""
    cost_weight: float = 0.0
    """Score points given up per dollar saved; needs known prices."""

    def check(self, cast: Cast) -> None:
        if self.learned is not None and self.learned.arrays["merit"].shape[1] != len(cast.members):
            raise TeamError(f"knn-router was fitted for {self.learned.arrays['merit'].shape[1]} members, "
                            f"got {len(cast.members)}: fit it again")

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        import numpy as np

        table = await dev.replies(cast.members)
        known = {e.question: i for i, e in sorted(enumerate(dev.examples), key=lambda p: p[1].id, reverse=True)}
        rows = sorted(known.values(), key=lambda i: dev.examples[i].id)
        if not rows:
            raise ConfigError("knn-router learns from dev questions, and there are none")
        merit = np.array([[self._merit(replies[i]) for replies in table] for i in rows], dtype=np.float32)
        texts = [dev.examples[i].question for i in rows]
        vectors = TextVectors.of(texts)
        size = self.k or best_size([vectors.similar(text, len(texts)) for text in texts[:1000]], merit)
        return self.with_learned({"k": size}, merit=merit, **vectors.arrays())

    async def run(self, request: Request, members: Members) -> Last:
        found = self.found()
        merit = found.arrays["merit"]
        similar = TextVectors.restore(found.arrays).similar(request.question, len(merit))
        worth = [round(float(w), 6) for w in expected(similar, merit, found.values["k"])]
        ranking = sorted(members, key=lambda m: (-worth[m.index], place_of(m)))
        return Last.ranked(ranking, request, route=ranking[0].name, expected=worth[ranking[0].index])

    def _merit(self, scored: Scored) -> float:
        cost = scored.reply.cost if scored.reply is not None else 0.0
        if self.cost_weight and cost is None:
            raise ConfigError("knn-router with cost_weight needs the prices of all members")
        return scored.score - self.cost_weight * (cost or 0.0)
