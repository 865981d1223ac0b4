"""LLM-Blender: rank the candidates by pairwise comparisons, then fuse the best. Jiang et al. 2023."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Literal

from consilience.errors import NoAnswerError
from consilience.gather import Member, Members, ask_all, ask_each, legible, place_of, put, shuffled
from consilience.learn.ranking import by_margins, by_wins, order
from consilience.method import Count, Last, Level, Method, Role
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class LlmBlender(Method):
    """A judge compares all pairs of answers, and a fuser writes one answer from the best `top`.

    Texts that cannot be read are no candidates where others can; equal texts are one; a single candidate answers as it is, and so does the winner with `top=1`. A verdict
    that cannot be read is a draw; equal scores are ordered by the author's standing on dev. When the fuser fails, the
    winner answers. Deviations: an LM judge stands for PairRM (as in MoCo), and which of two answers is shown
    first is drawn per question; `swap` asks in both orders.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "LLM-Blender, arXiv 2306.02561; LM judge: MoCo, arXiv 2601.21257"
    cost: ClassVar = "N + N*(N - 1)/2*(1 + swap) + (top > 1)"
    roles: ClassVar = (Role("judge", doc="says which of two answers is better"),
                       Role("fuser", doc="writes the final answer from the best candidates"))

    top: Count = 3
    """Candidates that are fused; 1 only ranks."""
    swap: bool = False
    """Whether each pair is judged in both orders."""
    aggregate: Literal["wins", "margins"] = "wins"
    """How comparisons become an order: by wins, or by the sum of margins (differing with `swap` alone)."""
    judge_tokens: Count = 128
    """Longest verdict."""

    async def run(self, request: Request, members: Members) -> Reply | Last:
        wave = await ask_all(members, request)
        spoken = sorted(legible(wave.replies), key=lambda reply: place_of(wave.speaker(reply)))
        texts = list(dict.fromkeys(reply.text or "" for reply in spoken))
        by_text = {r.text: r for r in reversed(wave.replies)}
        if len(texts) < 2:
            return by_text[texts[0]] if texts else wave.best
        margins = await self._compare(request, texts, members.role("judge"))
        scores = by_wins(margins) if self.aggregate == "wins" else by_margins(margins)
        ranked = [texts[i] for i in order(scores)]
        winner = by_text[ranked[0]].noting(ranking=sorted((round(s, 3) for s in scores), reverse=True))
        if self.top == 1:
            return winner
        return Last(members.role("fuser"), put(request, "fuse", candidates=ranked[:self.top]), winner)

    async def _compare(self, request: Request, texts: Sequence[str], judge: Member) -> list[list[float]]:
        place = {text: k for k, text in enumerate(shuffled(request, texts))}
        pairs = [(i, j) if place[texts[i]] < place[texts[j]] else (j, i) for i, j in combinations(range(len(texts)), 2)]
        pairs += [(j, i) for i, j in pairs] if self.swap else []
        asks = [put(request, "judge", a=texts[i], b=texts[j]).sampled(temperature=0.0, max_tokens=self.judge_tokens)
                for i, j in pairs]
        margins = [[0.0] * len(texts) for _ in texts]
        try:
            verdicts = (await ask_each([judge] * len(asks), asks)).firsts
        except NoAnswerError:
            return margins
        for (i, j), verdict in zip(pairs, verdicts, strict=True):
            said = {"A": 1.0, "B": -1.0}.get(verdict.reading or "", 0.0) if verdict is not None else 0.0
            margins[i][j] += said / (1 + self.swap)
            margins[j][i] -= said / (1 + self.swap)
        return margins
