"""Mixture of agents: layers of members that each synthesise the answers of the layer before. Wang et al. 2025."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Members, Wave, different, plurality, put
from consilience.learn.rounds import discussed
from consilience.method import Count, Last, Level, Method, Role
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class MixtureOfAgents(Method):
    """All members answer; in each further layer all fuse what the layer before wrote; an aggregator writes the last one.

    Self-MoA is a team of copies of one model, which draw different samples. A member that fails keeps its text of the
    layer before. Deviation: the references stand in the user's turn, in the wording of `fuse`, not in a system message,
    and refusals among them are kept.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "Mixture-of-Agents, arXiv 2406.04692; Self-MoA: Rethinking MoA, arXiv 2502.00674"
    cost: ClassVar = "N*(layers - 1) + 1"
    roles: ClassVar = (Role("aggregator", doc="writes the final answer from the last layer"),)

    layers: Count = 3
    """Layers including the aggregator's; 1 is the aggregator alone."""

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Let all members answer from the layer before, and the aggregator from the last; its members' vote stands when that
        fails."""
        aggregator = members.role("aggregator")
        if self.layers == 1:
            return Last(aggregator, request, then=[m for m in members.ranking if m.model is not aggregator.model])

        async def layer(wave: Wave, number: int) -> list[Request | None]:
            """All members are asked the same: the wave before, fused."""
            return [self._fuse(request, wave)] * len(members)

        wave, last = await discussed(request, members, self.layers - 1, layer)
        return Last(aggregator, self._fuse(request, wave), await plurality(request, last))

    def _fuse(self, request: Request, wave: Wave) -> Request:
        texts = different(request, wave.replies)
        return put(request, "fuse", candidates=texts) if texts else request
