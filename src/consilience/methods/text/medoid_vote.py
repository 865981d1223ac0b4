"""Medoid vote: the answer that is most like all the others. For free text, where equal answers are rare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Members, ask_all, legible, place_of, plurality
from consilience.method import Count, Level, Method
from consilience.reading.f1 import f1
from consilience.reading.text import words
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class MedoidVote(Method):
    """Give the answer with the highest mean similarity to all other answers (minimum Bayes risk).

    Similarity is the F1 of shared words, so that nothing is asked twice; texts that cannot be read give way to those that can.
    With short answers it is a vote in which near misses count in part. Ties go to the better member on dev, then to the earlier
    draw. Deviation: More Agents compares by BLEU.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "More Agents Is All You Need, arXiv 2402.05120; minimum Bayes risk: Kumar & Byrne 2004"
    cost: ClassVar = "N*draws"

    draws: Count = 1
    """Samples taken from each member."""

    async def run(self, request: Request, members: Members) -> Reply:
        """The readable answer that is likest to all others by shared words (F1); with fewer than three, a plain vote."""
        wave = await ask_all(members, request, self.draws)
        replies = legible(wave.replies)
        if len(replies) < 3:
            return await plurality(request, wave)
        said = [words(reply.reading or reply.text or "") for reply in replies]
        likeness = [round(sum(f1(a, b) for j, b in enumerate(said) if j != i) / (len(said) - 1), 9)
                    for i, a in enumerate(said)]
        best = min(range(len(replies)), key=lambda i: (-likeness[i], *place_of(wave.speaker(replies[i])), i))
        return replies[best].noting(likeness=likeness[best])
