"""Heterogeneous swarms: members in a graph of who reads whom, found on dev by a particle swarm. Feng et al. 2025."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from consilience.gather import Members
from consilience.learn.dags import Node, flow, placed, ranked
from consilience.learn.routers import check_members
from consilience.learn.swarm import Swarm, decode
from consilience.learn.trials import some, team
from consilience.method import Cast, Count, Dev, Last, Level, Method
from consilience.registry import register
from consilience.types import Request


@register
@dataclass(frozen=True)
class HeterogeneousSwarm(Method):
    """Every member is a node of a graph: those that read nobody answer, the others fuse what they read, the last one's text
    is the answer. Which graph is best is sought on dev: matrices of who passes on to whom are particles of a swarm.

    For members with different strengths and a dev set like the questions to come. Fitting asks at most particles *
    iterations * questions * N calls; a graph that comes up again is not asked again. Deviations: the role step alone
    (weights stay as they are), and graphs are always decoded deterministically, so that the one chosen is the one tried.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "Heterogeneous Swarms, arXiv 2502.04510"
    cost: ClassVar = "N"
    must_fit: ClassVar = True

    particles: Count = 5
    """Matrices in the swarm (the paper: 10)."""
    iterations: Count = 5
    """Times that all of them are tried (the paper: up to 200)."""
    patience: Count = 5
    """Iterations without a better graph after which the search ends."""
    questions: Count = 50
    """Most dev questions that a graph is tried on."""
    seed: int = 0
    """Of the search."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for other members than those that it was fitted for."""
        check_members(self, cast)

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Move `particles` through matrices [members, members], each decoded to a graph and scored on `questions` dev
        questions; keep the best graph seen."""
        import numpy as np

        few, order, rng = some(dev, self.questions), ranked(cast), np.random.default_rng(self.seed)
        names, known, history = [m.card.name for m in cast.members], dict[tuple[Node, ...], float](), list[float]()
        swarm = Swarm.start(self.particles, (len(order), len(order)), rng)
        for _ in range(self.iterations):
            graphs = [placed(decode(x), order) for x in swarm.x]
            fresh = list(dict.fromkeys(graph for graph in graphs if graph not in known))
            known |= zip(fresh, await self._tried(few, cast, names, fresh), strict=True)
            swarm = swarm.seen([known[graph] for graph in graphs])
            history.append(swarm.peak)
            if swarm.still >= self.patience:
                break
            swarm = swarm.moved(rng)
        return self._knowing(names, placed(decode(swarm.best), order), history=history, tried=len(known))

    async def _tried(self, dev: Dev, cast: Cast, names: list[str], graphs: Sequence[tuple[Node, ...]]) -> list[float]:
        """Mean dev scores of graphs."""
        rows = await dev.replies([team(self._knowing(names, graph), cast) for graph in graphs])
        return [sum(s.score for s in row) / len(row) for row in rows]

    def _knowing(self, names: list[str], graph: Sequence[Node], **more: object) -> Self:
        return self.with_learned({"members": names, "graph": [node.row for node in graph], **more})

    async def run(self, request: Request, members: Members) -> Last:
        """Ask along the graph; its last node answers."""
        return await flow(request, members, [Node.of(row) for row in self.found().values["graph"]])
