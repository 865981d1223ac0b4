"""Answers compared two by two by a judge, and orders from such comparisons. `margins[i][j]` is how clearly i beats j:
antisymmetric, 0 for a draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from typing import Literal, TypeAlias

from consilience.errors import ModelError, NoAnswerError
from consilience.gather import Member, absence, ask_some, put, shuffled, together
from consilience.types import Request

Margins: TypeAlias = Sequence[Sequence[float]]
Judging: TypeAlias = Literal["verdict", "odds", "rating"]


@dataclass(frozen=True, slots=True)
class Duels:
    """Answers (`texts`) to a request, compared by a judge: by the A or B that it writes (at most `tokens` long), by the
    log-odds of these letters as its next token, or by the difference of the ratings that it gives to each.

    Which of two is shown first is drawn per question; with `swap` both orders are asked, and their mean counts. Whatever
    fails or cannot be read is a draw.
    """

    request: Request
    texts: Sequence[str]
    judge: Member
    judging: Judging = "verdict"
    swap: bool = False
    tokens: int = 128

    async def all(self) -> list[list[float]]:
        """The margins of all pairs."""
        margins = [[0.0] * len(self.texts) for _ in self.texts]
        if self.judging == "rating":
            rated = await self._ratings()
            return [[0.0 if a is None or b is None else a - b for b in rated] for a in rated]
        pairs = list(combinations(range(len(self.texts)), 2))
        for (i, j), margin in zip(pairs, await self._fought(pairs), strict=True):
            margins[i][j], margins[j][i] = margin, -margin
        return margins

    async def champion(self) -> int:
        """Who is left after a bubble pass: the first meets the next, and the winner goes on; a draw changes nothing."""
        margins = await self.all() if self.judging == "rating" else None
        top = 0
        for other in range(1, len(self.texts)):
            margin = margins[top][other] if margins is not None else (await self._fought([(top, other)]))[0]
            top = other if margin < -1e-9 else top
        return top

    async def _fought(self, pairs: Sequence[tuple[int, int]]) -> list[float]:
        """By how much the first of each pair beats the second."""
        place = {text: k for k, text in enumerate(shuffled(self.request, self.texts))}
        ways = [(1, i, j) if place[self.texts[i]] < place[self.texts[j]] else (-1, j, i) for i, j in pairs]
        ways += [(-sign, b, a) for sign, a, b in ways] if self.swap else []
        asks = [put(self.request, "judge", a=self.texts[a], b=self.texts[b]).sampled(temperature=0.0, max_tokens=self.tokens)
                for _, a, b in ways]
        said = await (together(*map(self._odds, asks)) if self.judging == "odds" else self._verdicts(asks))
        signed = [sign * value for (sign, _, _), value in zip(ways, said, strict=True)]
        return [sum(signed[k::len(pairs)]) / (1 + self.swap) for k in range(len(pairs))]

    async def _verdicts(self, asks: Sequence[Request]) -> list[float]:
        replies = await ask_some([self.judge] * len(asks), asks)
        return [{"A": 1.0, "B": -1.0}.get(reply.reading or "", 0.0) if reply is not None else 0.0 for reply in replies]

    async def _odds(self, ask: Request) -> float:
        try:
            a, b = await self.judge.next(ask, ("A", "B"))
        except (ModelError, NoAnswerError) as error:
            self.judge.run.absent.append(absence(self.judge, error))
            return 0.0
        return a - b if isfinite(a - b) else 0.0

    async def _ratings(self) -> list[float | None]:
        try:
            scores = await self.judge.verify(self.request, self.texts)
        except (ModelError, NoAnswerError) as error:
            self.judge.run.absent.append(absence(self.judge, error))
            return [None] * len(self.texts)
        return [score if score is not None and isfinite(score) else None for score in scores]


def by_wins(margins: Margins) -> list[float]:
    """Max-wins: comparisons won, a draw counting one half."""
    return [sum(0.5 + 0.5 * _sign(m) for j, m in enumerate(row) if j != i) for i, row in enumerate(margins)]


def by_margins(margins: Margins) -> list[float]:
    """Max-logits: s_i = sum_j (f_ij - f_ji), LLM-Blender section 3. A few large margins may outweigh many wins."""
    n = range(len(margins))
    return [sum(margins[i][j] - margins[j][i] for j in n if j != i) for i in n]


def order(scores: Sequence[float]) -> list[int]:
    """Indices by descending score; ties (within 1e-9) keep their order."""
    return sorted(range(len(scores)), key=lambda i: -round(scores[i], 9))


def _sign(x: float) -> int:
    return (x > 0) - (x < 0)
