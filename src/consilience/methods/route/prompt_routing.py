"""Prompt routing: a model reads who the members are and names the one who shall answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.errors import TeamError
from consilience.gather import Member, Members, optional, put
from consilience.method import Cast, Count, Last, Level, Method, Role, check_letters
from consilience.registry import register
from consilience.types import Request, digest


@register
@dataclass(frozen=True)
class PromptRouting(Method):
    """The router reads the members' descriptions and the question, and names who answers.

    Descriptions are those of the members' cards unless given. A choice that cannot be read goes to the best member on
    dev, a chosen member that fails to the next best. One member is asked without routing. Deviations: members are
    lettered, not numbered (so at most 26), and their order is drawn per question against position bias.
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "MoCo (API prompt routing), arXiv 2601.21257"
    cost: ClassVar = "1 + (N > 1)"
    reads: ClassVar = False
    roles: ClassVar = (Role("router", doc="names the member who shall answer"),)

    descriptions: tuple[str, ...] = ()
    """What each member is good at, in team order; none: the descriptions of their cards."""
    shuffle: bool = True
    """Whether the order of members in the prompt is drawn per question."""
    max_tokens: Count = 16
    """Longest routing reply."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for another number of descriptions than members, and for more members than letters."""
        if self.descriptions and len(self.descriptions) != len(cast.members):
            raise TeamError(f"prompt-routing got {len(self.descriptions)} descriptions for {len(cast.members)} members")
        check_letters(self.name, "members", len(cast.members))

    async def run(self, request: Request, members: Members) -> Last:
        """Let the router name a member by its letter and ask that one; the best on dev where its word cannot be read."""
        if len(members) == 1:
            return Last(members[0], request)
        chosen = await self._choose(request, members)
        ranking = members.ranking if chosen is None else [chosen, *(m for m in members.ranking if m is not chosen)]
        return Last.ranked(ranking, request, route=ranking[0].name, routed=chosen is not None)

    async def _choose(self, request: Request, members: Members) -> Member | None:
        told = self.descriptions or tuple(m.card.description or m.name for m in members)
        order = list(range(len(members)))
        if self.shuffle:
            order.sort(key=lambda i: digest([request.seed, request.question, told[i]]))
        ask = put(request, "route", members=[told[i] for i in order])
        reply = await optional(members.role("router"), ask.sampled(temperature=0.0, max_tokens=self.max_tokens))
        return members[order[ord(reply.reading) - ord("A")]] if reply is not None and reply.reading else None
