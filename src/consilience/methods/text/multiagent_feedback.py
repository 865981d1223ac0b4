"""Multiagent feedback: peers criticise an answer, its author revises it, and the best member writes the last word."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from consilience.gather import Members, Wave, ask_some, put
from consilience.learn.rounds import discussed, summary
from consilience.method import Count, Last, Level, Method, Role
from consilience.registry import register
from consilience.types import Reply, Request, digest


@register
@dataclass(frozen=True)
class MultiagentFeedback(Method):
    """Answer; let others criticise the answer; revise it with their critiques; several times; then a summary of all.

    A critic sees one answer, never the pool, and never its own. Against multiagent-refine: peers say what is wrong instead
    of offering rivals, at about twice the calls. Empty critiques are dropped; an author without any keeps its answer. Who was
    absent at first criticises nothing. When the summary fails or cannot be read, a vote over the last answers that can be read
    answers. Deviation: with `early_stop` unanimity ends it.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "MoCo, arXiv 2601.21257; Don't Hallucinate, Abstain, arXiv 2402.00367"
    cost: ClassVar = "N + (rounds - 1)*N*(min(critics, N - 1) + (N > 1)) + 1"
    roles: ClassVar = (Role("summariser", doc="writes the final answer from all last answers"),)

    rounds: Count = 3
    """Rounds including the first answers."""
    critics: Count = 3
    """Critics of each answer, drawn per question and round from the other members."""
    early_stop: bool = True
    """Answer at once when all readings agree."""

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Rounds of feedback and revision, then the summariser's answer."""
        _, last = await discussed(request, members, self.rounds, partial(self._revisions, request), self.early_stop)
        return await summary(request, last, members.role("summariser"), self.early_stop)

    async def _revisions(self, request: Request, wave: Wave, turn: int) -> list[Request | None]:
        """What each author is asked after reading its critics; None for those that have none."""
        pairs = [(author, critic) for author, reply in enumerate(wave.firsts) if reply is not None and reply.text
                 for critic in self._critics(request, wave, author, turn)]
        asks = [put(request, "critique", answer=wave.by_member[author][0].text or "") for author, _ in pairs]
        said = await ask_some([wave.members[critic] for _, critic in pairs], asks)
        found: list[Request | None] = []
        for author, reply in enumerate(wave.firsts):
            notes = [r.text for (a, _), r in zip(pairs, said, strict=True) if a == author and r is not None and r.text]
            found.append(put(request, "refine", answer=reply.text, peers=notes) if reply and reply.text and notes else None)
        return found

    def _critics(self, request: Request, wave: Wave, author: int, turn: int) -> list[int]:
        own = wave.members[author].card.fingerprint
        lots = {i: digest([request.seed, request.question, turn, own, m.card.fingerprint, m.copy])
                for i, m in enumerate(wave.members) if i != author and wave.by_member[i]}
        return sorted(lots, key=lambda i: lots[i])[:self.critics]
