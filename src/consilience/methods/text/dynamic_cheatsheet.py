"""Dynamic cheatsheet: a curator keeps one sheet of what was learned, and all members answer by it. Suzgun et al. 2025."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from consilience.gather import Members, ask_all, optional, plurality
from consilience.learn.memory import DATA, EMBEDDER, ITEM, Cheatsheet, Solved, alike, noted, short, tagged, whole
from consilience.method import Count, Last, Level, Ordered, Role
from consilience.prompt import worded
from consilience.reading import Free
from consilience.registry import register
from consilience.types import Reply, Request, Wording

_SHEET = ("Write the whole sheet anew: strategies, facts, pieces of code and pitfalls that help with questions like these. "
          "Keep what is good, merge what is alike, drop what is wrong or useless, and end each entry with \"(used N times)\". "
          "Do not copy the question. Put the sheet between <cheatsheet> and </cheatsheet>.")
CURATE = Wording("A sheet of what was learned so far:\n<<<\n{sheet}\n>>>\n\nThe newest question:\n{question}\n\nThe answer that was "
                 "given:\n<<<\n{answer}\n>>>\n" + DATA + " Nobody has checked the answer. " + _SHEET)
SYNTHESISE = Wording("A sheet of what was learned so far:\n<<<\n{sheet}\n>>>\n\nEarlier questions like the next one:\n{pairs}\n" + DATA
                     + " The answers were not checked.\n\nThe next question, which is not to be answered yet:\n{question}\n\n"
                     + _SHEET, ITEM)


@register
@dataclass(frozen=True)
class DynamicCheatsheet(Ordered):
    """All members answer with one shared sheet before them and vote; then a curator writes the sheet anew, from the
    question and the answer given.

    For streams of questions that repeat their kinds, and members able enough to write useful notes; no reference is used, so
    confident mistakes spread. `retrieval` gives the curator the most similar earlier answers and lets it write before the
    members answer. A curator that fails leaves the sheet as it was. Deviation: the paper has one model, here they vote.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "Dynamic Cheatsheet, arXiv 2504.07952"
    cost: ClassVar = "N + 1"
    roles: ClassVar = (Role("curator", doc="writes the sheet"), EMBEDDER)
    keeps: ClassVar = Cheatsheet

    variant: Literal["cumulative", "retrieval"] = "cumulative"
    """`cumulative`: the sheet after each answer; `retrieval`: before it, from similar earlier answers too."""
    similar: Count = 3
    """Earlier answers that the curator sees in the variant `retrieval`."""
    words: Count = 2000
    """Longest sheet; what is over is cut off."""
    sheet_tokens: Count = 4096
    """Longest reply of the curator."""
    keep: Count = 1000
    """Earlier answers kept in the variant `retrieval`; the oldest go."""

    async def step(self, request: Request, members: Members, memory: Cheatsheet) -> tuple[Reply | Last, Cheatsheet]:
        """Answer with the sheet as it is and curate it afterwards; by `retrieval` first write one from like questions."""
        memory = replace(memory, sheet=short(memory.sheet, self.words))     # people may write in it too
        if self.variant == "retrieval":
            near = await alike(members, request.question, [one.question for one in memory.solved], self.similar)
            pairs = [str(memory.solved[i]) for i in near]
            sheet = await self._curated(request, members, SYNTHESISE, memory.sheet, pairs=pairs) if pairs else memory.sheet
            reply = await self._answer(request, members, sheet)
            return reply, Cheatsheet(sheet, (*memory.solved, Solved.of(request, reply))[-self.keep:])
        reply = await self._answer(request, members, memory.sheet)
        sheet = await self._curated(request, members, CURATE, memory.sheet, answer=reply.text or "")
        return reply, replace(memory, sheet=sheet)

    async def _answer(self, request: Request, members: Members, sheet: str) -> Reply:
        wave = await ask_all(members, noted(request, [whole(sheet)] if sheet else []))
        return (await plurality(request, wave)).noting(sheet=len(sheet.split()))

    async def _curated(self, request: Request, members: Members, wording: Wording, old: str, **seen: str | Sequence[str]) -> str:
        ask = worded(request, wording, Free(), sheet=whole(old or "(empty)"), **seen).sampled(temperature=0.0, max_tokens=self.sheet_tokens)
        said = await optional(members.role("curator"), ask)
        new = tagged(said.text or "", "cheatsheet") if said is not None else None
        return short(new, self.words) if new is not None else old
