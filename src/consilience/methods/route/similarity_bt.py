"""Similarity-weighted ranking: ratings of the members from duels on similar questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from consilience.learn.duels import bradley_terry, chances, tiers, wins
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Learned
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np

GAMMA = 10.0
"""What the most similar dev question weighs more than an unlike one, and again ten times."""
BATCH = 512
"""Questions that are rated together."""


@register
@dataclass(frozen=True)
class SimilarityBt(Router):
    """Rate the members anew for every question, from duels on dev questions weighted by their likeness to it, and ask the
    one that beats the others most.

    Nothing is trained, and all duels count, the similar ones a hundred times as much: the steadier relative of the nearest
    neighbours for few dev questions. Members of one tier of ratings count as equal; the best on dev of them answers.
    """

    paper: ClassVar = "RouteLLM (similarity-weighted ranking), arXiv 2406.18665"

    tiers: Count = 10
    """Tiers that the members are grouped into by their ratings on all of dev, at most."""

    def learn(self, table: Table) -> Learned:
        """Tiers of like members, how often each tier won on every dev question, and the ratings from all questions alike,
        from which each question starts."""
        import numpy as np

        won = wins(table.scores)
        ratings = bradley_terry(won.sum(axis=0), len(table) * (1 - np.eye(won.shape[1])))
        tier = np.array(tiers([float(r) for r in ratings], self.tiers))
        of = (tier[:, None] == np.arange(tier.max() + 1)).astype(np.float64)
        size = of.sum(axis=0)
        outside = won @ of - size * (size - 1) / 2
        games = np.outer(size, size) * (1 - np.eye(len(size)))
        start = bradley_terry(outside.mean(axis=0), games)
        return Learned({}, {"known": table.x, "won": outside.astype(np.float32), "tier": tier, "games": games, "start": start})

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Chance of each member's tier to win, rated on dev questions weighed by likeness to this one: [questions,
        members]."""
        import numpy as np

        known, won, tier, games, start = (found.arrays[k] for k in ("known", "won", "tier", "games", "start"))
        parts = [x[i:i + BATCH] for i in range(0, len(x), BATCH)]
        shares = (weights(part @ known.T) for part in parts)
        return np.concatenate([chances(bradley_terry(share @ won, games, start))[:, tier] for share in shares])


def weights(similar: np.ndarray) -> np.ndarray:
    """Shares, of sum 1, of the known questions by similarity [questions, known]: 10 * 10^(similarity / the highest);
    equal where nothing is similar."""
    import numpy as np

    top = similar.max(axis=1, keepdims=True)
    out = np.exp(np.log(GAMMA) * np.where(top > 0, similar / np.where(top > 0, top, 1), 0))
    shares: np.ndarray = out / out.sum(axis=1, keepdims=True)
    return shares
