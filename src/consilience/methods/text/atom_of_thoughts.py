"""Atom of Thoughts: a question is contracted, step by step, into a simpler one with the same answer. Teng et al. 2025."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Member, Members, ask_ranked, classes, optional, put
from consilience.learn.subquestions import Parts
from consilience.method import Count, Level, Method, Role
from consilience.prompt import worded
from consilience.reading import Free
from consilience.registry import register
from consilience.types import Message, Reply, Request, Wording

SPLIT = Wording("{question}\n\nDo not answer it as a whole. Break it down into sub-questions that are clear by themselves, and answer "
                "each. One per line: its number, the sub-question, an arrow ->, the answer.")
DEPEND = Wording("Question:\n{question}\n\nSub-questions:\n<<<\n{parts}\n>>>\nWhich sub-questions need the answers of others? One per "
                 "line: its number, a colon, and the numbers that it needs, or none.")
CONTRACT = Wording("Question:\n{question}\n\nKnown:\n<<<\n{known}\n>>>\nStill open:\n<<<\n{open}\n>>>\nWrite one shorter question with the "
                   "same answer, clear by itself, in which what is known stands as given. Write the question alone.")


@register
@dataclass(frozen=True)
class AtomOfThoughts(Method):
    """Answer; break the question down; take the sub-questions that need no other as known and contract the rest into a
    simpler question with the same answer; answer that; a judge fuses both answers, and the one that agrees with it is given.

    For questions of several steps; each state forgets how it came about. It ends when nothing depends on anything, when the
    contracted answer is the worse one, or at `depth`; sub-questions that cannot be read leave the answer so far.
    Deviations: `depth` alone bounds it, not the graph's; the judge fuses the direct and the contracted answer, not the one
    of the sub-questions too; a decomposition that cannot be read, or runs in a circle, is not asked for again.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "Atom of Thoughts, arXiv 2502.12018"
    cost: ClassVar = "1 + 5*depth"
    compares: ClassVar = True
    roles: ClassVar = (Role("solver", doc="answers"), Role("decomposer", doc="breaks questions down and contracts them"),
                       Role("judge", doc="fuses the direct and the contracted answer"))

    depth: Count = 1
    """Most contractions (the paper: at most three)."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Answer, then let the question be contracted and answered again, as long as the judge sides with the shorter
        question's answer and with no earlier one."""
        solver, state = members.role("solver"), request
        answer = await ask_ranked([solver, *(m for m in members.ranking if m.model is not solver.model)], request)
        for turn in range(self.depth):
            shorter = await self._contracted(state, members.role("decomposer"))
            reply = await optional(solver, shorter) if shorter is not None else None
            if shorter is None or reply is None or not reply.text:
                break
            fused = await optional(members.role("judge"), put(request, "fuse", candidates=[answer.text or "", reply.text]))
            if fused is None or fused.reading is None:
                break
            agreed = (await classes(request, [fused, answer, reply]))[0].replies
            if answer in agreed or reply not in agreed:
                return answer if answer in agreed else fused
            answer, state = reply.noting(contractions=turn + 1), shorter
        return answer

    async def _contracted(self, request: Request, decomposer: Member) -> Request | None:
        """A simpler question with the same answer; None where there is none to be had."""
        listed = await optional(decomposer, worded(request, SPLIT, Free()))
        if listed is None or not Parts.read(listed.text or "", "").texts:
            return None
        depends = await optional(decomposer, worded(request, DEPEND, Free(), parts=listed.text or ""))
        parts = Parts.read(listed.text or "", (depends.text or "") if depends is not None else "")
        if parts.depth < 2:
            return None
        said = await optional(decomposer, worded(request, CONTRACT, Free(), known=parts.known, open=parts.open))
        text = (said.text or "").strip() if said is not None else ""
        return request.having(messages=(Message("user", text),)) if text else None
