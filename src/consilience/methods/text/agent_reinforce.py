"""Agent-REINFORCE: the graph of calls (models, roles, edges) that does best on dev, sought with a model that reads results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from consilience.gather import Members
from consilience.learn.dags import Node, flow, placed, ranked
from consilience.learn.routers import check_members
from consilience.learn.trials import some, team
from consilience.learn.wiring import Trial, Wiring, advice, usual
from consilience.method import Cast, Count, Dev, Last, Level, Method, Role, check_letters
from consilience.registry import register
from consilience.types import Request


@register
@dataclass(frozen=True)
class AgentReinforce(Method):
    """Nodes answer, fuse what several nodes wrote or assist one of them; the last one writes the answer. Which graph is best
    is sought on dev: graphs are drawn and tried, and a model that reads the results says what to make likelier.

    For a known kind of question and a budget of calls. The best member alone, a chain and a star are tried first. Fitting
    asks at most steps * graphs * questions * nodes calls. Directions that cannot be read leave the step to REINFORCE.
    Deviations: latency is not in the reward; the number of nodes is drawn too.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "Agent-REINFORCE, arXiv 2511.00086"
    cost: ClassVar = "nodes"
    must_fit: ClassVar = True
    roles: ClassVar = (Role("searcher", doc="reads results while fitting and says what to change"),)

    nodes: Count = 4
    """Most calls of a graph."""
    steps: Count = 4
    """Times that graphs are drawn."""
    graphs: Count = 3
    """Graphs drawn in a step."""
    questions: Count = 50
    """Most dev questions that a graph is tried on."""
    tokens: int = 0
    """Tokens per question; each such amount beyond it costs a tenth of the score. 0: no limit."""
    gradient: Literal["text", "numeric"] = "text"
    """What moves the chances: the searcher's words, or REINFORCE."""
    seed: int = 0
    """Of the search."""

    def check(self, cast: Cast) -> None:
        """Raises TeamError for other members than those that it was fitted for, and for more members than letters."""
        check_members(self, cast)
        check_letters(self.name, "members", len(cast.members))

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Draw graphs, try each new one on `questions` dev questions, and move the odds of edges and members to what paid,
        for `steps` rounds; keep the graph with the best reward."""
        import numpy as np

        few, order, rng = some(dev, self.questions), ranked(cast), np.random.default_rng(self.seed)
        standing = [cast.standing[i] if cast.standing else 0.0 for i in order]
        wiring, known = Wiring.start(self.nodes, standing), dict[tuple[Node, ...], Trial]()
        for step in range(self.steps):
            first = [] if step else usual(self.nodes, len(order))
            samples = [*first, *(wiring.draw(rng) for _ in range(self.graphs))][:self.graphs]
            fresh = [graph for graph in dict.fromkeys(s.nodes for s in samples) if graph not in known]
            rows = await few.replies([team(self._knowing(cast, order, graph), cast) for graph in fresh])
            known |= {graph: Trial.of(row, self.tokens) for graph, row in zip(fresh, rows, strict=True)}
            usually = sum(trial.reward for trial in known.values()) / len(known)
            words = await advice(cast, order, self.nodes, known) if self.gradient == "text" else ""
            wiring = wiring.told(words) or wiring.learned(samples, [known[s.nodes].reward - usually for s in samples])
        best = max(known, key=lambda graph: known[graph].reward)
        return self._knowing(cast, order, best, rewards=[trial.reward for trial in known.values()])

    def _knowing(self, cast: Cast, order: list[int], graph: tuple[Node, ...], **more: list[float]) -> Self:
        names, nodes = [m.card.name for m in cast.members], placed(graph, order)
        return self.with_learned({"members": names, "graph": [node.row for node in nodes], **more})

    async def run(self, request: Request, members: Members) -> Last:
        """Ask along the graph; its last node answers."""
        return await flow(request, members, [Node.of(row) for row in self.found().values["graph"]])
