"""LLM-Blender: rank the candidates by pairwise comparisons, then fuse the best. Jiang et al. 2023."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from consilience.gather import Members, ask_all, legible, place_of, put
from consilience.learn.ranking import Duels, by_margins, by_wins, order
from consilience.method import Cast, Count, Last, Level, Method, Role, check_needs
from consilience.model import NextTokens, Verify
from consilience.registry import register
from consilience.types import Reply, Request

POWERS = {"verdict": (), "odds": (NextTokens,), "rating": (Verify,)}


@register
@dataclass(frozen=True)
class LlmBlender(Method):
    """A judge compares all pairs of answers, and a fuser writes one answer from the best `top`.

    Texts that cannot be read are no candidates where others can; equal texts are one; a single candidate answers as it is,
    and so does the winner with `top=1`. A comparison that fails or cannot be read is a draw; equal scores are ordered by the
    author's standing on dev. When the fuser fails, the winner answers. Deviations: a trained pair ranker is a judge that was
    tuned on the form `judge` (by its words, as in MoCo, or its `odds`), or one that rates each answer alone, for PairRM; which
    of two answers is shown first is drawn per question, and `swap` asks in both orders.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "LLM-Blender, arXiv 2306.02561; LM judge: MoCo, arXiv 2601.21257"
    cost: ClassVar = ("N + (N if judging == 'rating' else (N - 1 if aggregate == 'bubble' else N*(N - 1)/2)*(1 + swap))"
                      " + (top > 1)")
    roles: ClassVar = (Role("judge", doc="says which of two answers is better, or rates each"),
                       Role("fuser", doc="writes the final answer from the best candidates"))

    top: Count = 3
    """Candidates that are fused; 1 only ranks."""
    judging: Literal["verdict", "odds", "rating"] = "verdict"
    """How the judge compares: by the A or B that it writes, by the log-odds of these letters as its next token (power
    NextTokens), or by the difference of its ratings (power Verify; each answer that it reads is a call)."""
    swap: bool = False
    """Whether each pair is judged in both orders (nothing to ratings)."""
    aggregate: Literal["max-logits", "max-wins", "bubble"] = "max-logits"
    """How comparisons become an order: by the sum of margins, by wins, or by one pass in which the winner of a pair meets the
    next (N - 1 comparisons, one after the other, name the first alone; the others follow by standing)."""
    judge_tokens: Count = 128
    """Longest verdict."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for a judge without the power that `judging` needs."""
        check_needs(f"{self.name} with judging={self.judging!r}", "its judge", cast.roles["judge"], POWERS[self.judging])

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Compare the members' readable answers in pairs; fuse the `top` of them, or give the winner where that is 1."""
        wave = await ask_all(members, request)
        spoken = sorted(legible(wave.replies), key=lambda reply: place_of(wave.speaker(reply)))
        by_text = {r.text or "": r for r in reversed(spoken)}
        texts = list(dict.fromkeys(r.text or "" for r in spoken))
        if len(texts) < 2:
            return by_text[texts[0]] if texts else wave.best
        scores = await self._scores(Duels(request, texts, members.role("judge"), self.judging, self.swap, self.judge_tokens))
        ranked = [texts[i] for i in order(scores)]
        winner = by_text[ranked[0]].noting(ranking=sorted((round(s, 3) for s in scores), reverse=True))
        if self.top == 1:
            return winner
        return Last(members.role("fuser"), put(request, "fuse", candidates=ranked[:self.top]), winner)

    async def _scores(self, duels: Duels) -> list[float]:
        if self.aggregate == "bubble":
            first = await duels.champion()
            return [float(i == first) for i in range(len(duels.texts))]
        margins = await duels.all()
        return by_wins(margins) if self.aggregate == "max-wins" else by_margins(margins)
