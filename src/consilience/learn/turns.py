"""Who should speak after whom: Monte Carlo tree search over the order of roles (HALO, arXiv 2505.13516)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import ceil, inf, log, sqrt
from random import Random
from typing import TypeAlias

from consilience.types import Reply

GAIN, LOSS = 0.7, -0.3
"""What a simulation that ends in success, and any other, tells the turns on its path."""

_VERDICT = re.compile(r"\b(success|fail|continue)", re.IGNORECASE)
_SCORE = re.compile(r"(?<![\d.])(?:1(?:\.0*+)?|0?\.\d++|0)(?![\d.]*\d)")


@dataclass(slots=True, eq=False)
class Turn:
    """A role that spoke after those `above` it, how a judge sees it, and what the search knows of it. The root has no role.

    A turn is itself: a copy would not see what later simulations tell of it.
    """

    role: int = -1
    reply: Reply | None = None
    verdict: str = "continue"
    value: float = 0.0
    above: Turn | None = None
    visits: int = 0
    below: list[Turn] = field(default_factory=list)

    @property
    def path(self) -> list[Turn]:
        """The turns from the first to this one, without the root."""
        return [*self.above.path, self] if self.above is not None else []

    @property
    def bound(self) -> float:
        """Its upper confidence bound; infinite for the root and for what was not visited."""
        return ucb(self.value, self.visits, self.above.visits) if self.above is not None else inf

    @property
    def rank(self) -> tuple[float, float]:
        """Which of several is gone on with: the highest bound, of equal ones the highest value."""
        return self.bound, self.value

    def tell(self, success: bool) -> None:
        """What a simulation gave, to this turn and those above it; values of the turns below are averaged in."""
        self.visits += 1
        total = self.value * self.visits + (GAIN if success else LOSS) + sum(turn.value for turn in self.below)
        self.value = total / (self.visits + len(self.below))
        if self.above is not None:
            self.above.tell(success)


Act: TypeAlias = Callable[[Turn, Sequence[int]], Awaitable[list[Turn]]]
"""Lets roles speak after a turn, each by itself: the turns of those that said something."""


def ucb(value: float, visits: int, above: int, explore: float = 1.4) -> float:
    """`value / visits + explore * sqrt(ln(above) / visits)`; infinite without visits."""
    return value / visits + explore * sqrt(log(max(above, 1)) / visits) if visits else inf


def judged(text: str) -> tuple[str, float]:
    """A judge's verdict (`success`, `fail` or `continue`) and score from 0 to 1, the last ones named; one that cannot be read
    is `continue` with 0."""
    verdicts, scores = _VERDICT.findall(text), _SCORE.findall(text)
    return (verdicts[-1].lower(), float(scores[-1]) if scores else 0.0) if verdicts else ("continue", 0.0)


async def search(act: Act, roles: int, depth: int, simulations: int, most: int, rng: Random) -> Turn | None:
    """The turn that the search ends at: one that a judge calls success or fail, one at the depth limit, or after `most` acts
    the best so far. None when nobody says anything."""
    root, left, seen = Turn(), most, list[Turn]()
    while left > 0:
        leaf = root
        while leaf.below:
            leaf = max(leaf.below, key=lambda turn: turn.rank)
        if leaf.above is not None and (leaf.verdict != "continue" or len(leaf.path) >= depth):
            return leaf
        leaf.below = await act(leaf, range(min(roles, left)))
        seen, left = [*seen, *leaf.below], left - min(roles, left)
        best = max(leaf.below, key=lambda turn: turn.rank, default=None)
        if best is None or best.verdict != "continue":
            return best or outstanding(seen)
        for _ in range(simulations):
            tried = [best]
            while tried[-1].verdict == "continue" and len(tried[-1].path) < depth and left > 0:
                left -= 1
                if not (said := await act(tried[-1], [rng.randrange(roles)])):
                    break
                tried += said
            best.tell(tried[-1].verdict == "success")
            seen += tried[1:]
    return outstanding(seen)


def outstanding(turns: Sequence[Turn]) -> Turn | None:
    """The best of several turns: success before continue before fail, then the higher value; the first of equal ones."""
    order = ("fail", "continue", "success")
    return max(turns, key=lambda turn: (order.index(turn.verdict), turn.value), default=None)


def settles(agreeing: int, collected: int) -> bool:
    """Whether so many equal answers of at least two collected ones end the work: two thirds, rounded up."""
    return collected >= 2 and agreeing >= ceil(2 * collected / 3)
