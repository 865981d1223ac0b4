"""FrugalGPT: a learned list of members, asked one by one until a scorer trusts the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, ClassVar

from consilience.gather import Member, Members, ask_all
from consilience.learn.answers import Judge, reader
from consilience.learn.cascades import Cascading, Climb
from consilience.learn.embedding import check_name
from consilience.learn.ladder import Ladder
from consilience.method import Count, Learned
from consilience.registry import register
from consilience.types import Reply, Request

if TYPE_CHECKING:
    import numpy as np

POOL = 6
"""Of more members, those of the best pairs are searched for longer lists."""


@register
@dataclass(frozen=True)
class FrugalGPT(Cascading):
    """A scorer reads question and answer; members of a learned list are asked in turn until it trusts an answer.

    List and thresholds are searched together, for the stated target (`max_cost_per_1k` is the paper's budget) or the best
    dev score: all lists of up to `length` members, a grid over quantiles, then a polish. Use it where answers themselves
    show whether they are right, such as refusals and cut-off workings. Deviations: the scorer is a logistic regression on
    hashed TF-IDF vectors (a DistilBERT in the paper), judged by folds; quantiles may fall along a list; in place of a
    simplex the polish tries every choice of the best plans; of more than 6 members, those of the best pairs are searched.
    """

    name: ClassVar = "frugal-gpt"
    paper: ClassVar = "FrugalGPT, arXiv 2305.05176"
    cost: ClassVar = "min(N, length)"

    length: Count = 3
    """Members of a list, at most."""
    embedding: str = "tfidf"
    """Vectors of questions and answers: `tfidf` (needs nothing), `model2vec:NAME`, `sentence-transformers:NAME`."""
    folds: Count = 5
    """Parts of dev whose answers are scored by what the other parts taught."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.embedding)

    def lists(self, ladder: Ladder, order: Sequence[int]) -> list[tuple[int, ...]]:
        """All ordered lists of up to `length` members; of large pools, of the members that the best pairs use."""
        pool = list(order)
        if len(pool) > POOL:
            pairs = ladder.plans([p for n in (1, 2) for p in permutations(pool, n)], self.max_latency)
            used = Counter(m for plan in pairs for m in plan.order)
            pool = sorted(sorted(order, key=lambda m: -used[m])[:POOL], key=list(order).index)
        return [p for n in range(1, min(self.length, len(pool)) + 1) for p in permutations(pool, n)]

    async def tries(self, request: Request, member: Member, members: Members) -> Reply:
        """The member's answer as it is; how sure it is, the scorer says."""
        return (await ask_all([member], request)).by_member[0][0]

    def learn(self, climb: Climb) -> tuple[np.ndarray, Learned]:
        """Train the scorer on the dev answers; each is scored by what other folds taught: [members, questions]."""
        answers = [[r.text if r is not None else None for r in line] for line in climb.replies]
        texts, folds = climb.asked.texts, climb.asked.folds(self.folds)
        judge, sure = Judge.of(reader(self.embedding, texts, answers), texts, answers, climb.tried.scores, folds)
        return sure, Learned({}, judge.arrays())

    def sure(self, found: Learned, request: Request, reply: Reply, place: int) -> float:
        """The scorer's probability that the member at this place answered right."""
        return Judge.restored(self.embedding, found.arrays).rate(request.question, reply.text, place)
