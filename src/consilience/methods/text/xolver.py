"""Xolver: agents in roles solve a problem in rounds, share their best attempts, and remember problems solved before. Hosain et al. 2025."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.errors import NoAnswerError
from consilience.gather import Members, ask_each, ask_some, optional
from consilience.learn.memory import EMBEDDER, Solved, noted, told
from consilience.learn.olympiad import Attempt, Episodes, episodes_for, roles, top
from consilience.method import Count, Last, Level, Ordered, Role
from consilience.prompt import put, worded
from consilience.reading import Free
from consilience.registry import register
from consilience.types import Reply, Request, Wording

PLAN = Wording("Question:\n{question}\n\nWhich experts should work on this? Name {number} different roles, one per line, as in:\n"
               "1. Algebra expert\nDo not answer the question.")
EXPERT = Wording("You are this expert: {role}.\n\n{question}")


@register
@dataclass(frozen=True)
class Xolver(Ordered):
    """Agents in planned roles, played by the members in turn, answer in rounds: each sees similar problems solved before, its
    last answer and the team's best ones; a judge scores every answer, and a verifier writes out the best.

    For hard problems that come in kinds. Stops when all shared answers are held to be right. The best answer is kept for later
    problems; a problem never sees its own entry, and the first ones recall a problem from the model instead. Deviations: likeness by
    TF-IDF or an embedder, not BM25; no tools; the best answer is kept, not the last; scores are a judge's yes or no.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "Xolver, arXiv 2506.14234"
    cost: ClassVar = "2 + recall + 2*agents*rounds"
    roles: ClassVar = (Role("planner", doc="names roles, recalls a problem"), Role("judge", doc="scores answers"),
                       Role("verifier", doc="writes out the best answer"), EMBEDDER)
    keeps: ClassVar = Episodes

    agents: Count = 3
    """Agents, and answers that they share."""
    rounds: Count = 2
    """Rounds at most."""
    similar: Count = 5
    """Problems solved before that are shown."""
    recall: bool = True
    """Ask for a problem from the model's own knowledge where no similar one was solved before."""
    keep: Count = 1000
    """Problems that are kept; the oldest go."""

    async def step(self, request: Request, members: Members, memory: Episodes) -> tuple[Reply | Last, Episodes]:
        """Invent roles, then rounds in which all attempt, are judged and share the best attempts, until all of those are held
        right; the verifier writes the answer. NoAnswerError where nobody wrote a text."""
        planned = await optional(members.role("planner"), worded(request, PLAN, Free(), number=str(self.agents + 1)))
        parts = roles((planned.text or "") if planned is not None else "", self.agents)
        episodes = await episodes_for(request, members, memory, self.similar, self.recall)
        team = [members.ranking[i % len(members)] for i in range(self.agents)]
        asks = firsts = [told(noted(request, episodes), EXPERT, role=part) if part else noted(request, episodes) for part in parts]
        shared, last = list[Attempt](), ["none"] * self.agents
        for _ in range(self.rounds):
            if shared:
                asks = [put(ask, "refine", answer=own, peers=list(map(str, shared))) for ask, own in zip(firsts, last, strict=True)]
            replies = await ask_some(team, asks) if shared else (await ask_each(team, asks)).firsts
            said = {i: reply for i, reply in enumerate(replies) if reply is not None and reply.text}
            last = [said[i].text or "" if i in said else own for i, own in enumerate(last)]
            checks = [put(request, "check", answer=r.text or "").sampled(temperature=0.0, max_tokens=16) for r in said.values()]
            marks = await ask_some([members.role("judge")] * len(said), checks)
            held = [mark is not None and mark.reading == "yes" for mark in marks]
            shared = top([*shared, *(Attempt(*one, right) for one, right in zip(said.items(), held, strict=True))], self.agents)
            if len(shared) == self.agents and all(one.right for one in shared):
                break
        if not shared:
            raise NoAnswerError("no agent produced any text")
        best, note = shared[0].reply, {"roles": parts, "agent": shared[0].agent + 1, "right": [one.right for one in shared]}
        known = Episodes((*memory.others(request.question), Solved.of(request, best))[-self.keep:])
        return Last(members.role("verifier"), put(request, "fuse", candidates=[best.text or ""]), best, note), known
