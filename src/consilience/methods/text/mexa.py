"""MEXA: experts chosen by the skills that a question needs, and an aggregator that reasons over what they say. Yu et al. 2025."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Member, Members, ask_all, different, optional, plurality, put, shuffled
from consilience.method import Cast, Count, Last, Level, Method, Role, check_letters
from consilience.prompt import letter, worded
from consilience.reading import Free
from consilience.registry import register
from consilience.types import Reply, Request, Wording

CHOOSE = Wording("Question:\n{question}\n\nExperts:\n{experts}\nWhich experts have the skills that this question needs? Reply "
                 "with their letters alone, the most useful first, at most {most}.", "{letter}) {text}\n")


@register
@dataclass(frozen=True)
class Mexa(Method):
    """A selector names the experts whose skills the question needs; they answer, and an aggregator reasons over their texts.

    Between prompt-routing (one expert) and mixture-of-agents (all): fewer calls, and no noise from members without the
    skill. Experts are known by the descriptions of their cards. When the selector names nobody, the best members on dev are
    asked; when the aggregator fails or cannot be read, a vote of the experts answers. Deviation: text alone; the paper
    also chooses experts by the kind of input (audio, video, 3D).
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "MEXA, arXiv 2506.17113"
    cost: ClassVar = "(N > experts) + min(N, experts) + (min(N, experts) > 1)"
    roles: ClassVar = (Role("selector", doc="names the experts"), Role("aggregator", doc="writes the final answer"))

    experts: Count = 3
    """Experts asked at most; with no more members than that, all are."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for more members than letters."""
        check_letters(self.name, "members", len(cast.members))

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Choose the experts, ask them, and let the aggregator write from what they say; their vote stands when it fails."""
        chosen = members.ranking if len(members) <= self.experts else await self._choose(request, members)
        wave = await ask_all(chosen, request)
        vote = (await plurality(request, wave)).noting(experts=[m.name for m in chosen])
        texts = different(request, wave.replies)
        if len(chosen) == 1 or not texts:
            return vote
        return Last(members.role("aggregator"), put(request, "fuse", candidates=texts), vote,
                    {"experts": [m.name for m in chosen]})

    async def _choose(self, request: Request, members: Members) -> Sequence[Member]:
        told = [m.card.description or m.name for m in members]
        order = sorted(range(len(members)), key=lambda i: shuffled(request, told).index(told[i]))
        ask = worded(request, CHOOSE, Free(), experts=[told[i] for i in order], most=str(self.experts))
        said = await optional(members.role("selector"), ask.sampled(temperature=0.0, max_tokens=4 * self.experts + 8))
        text = said.text or "" if said is not None else ""
        known = {letter(place): members[i] for place, i in enumerate(order)}
        named = [known[x] for x in dict.fromkeys(re.findall(r"\b([A-Z])\b", text)) if x in known]
        return (named or members.ranking)[:self.experts]
