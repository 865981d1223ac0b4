"""GraphRouter: questions and members as a graph, its unknown edges told from the known ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from consilience.learn.clusters import categories, means, nearest
from consilience.learn.embedding import unit
from consilience.learn.gradient import Descent
from consilience.learn.graph import Graph, node, rewards, trained, winners
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Count, Learned, Share
from consilience.registry import register

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class GraphRouter(Router):
    """Ask the member whose edge to the question is likeliest, by two rounds of messages along the edges of dev.

    A question is its vector and that of its task; a member is what it did on dev. Worth trying with many members and
    sub-tasks. The paper's scenarios (performance, balance, cost) are `tradeoff` 0, 1 and 4 over the range of costs.
    Deviations: the dev graph stays in view and whole questions are masked, as a new question has no edges; edges weigh
    messages instead of being added to them; members are described by dev, not by a text; no batch norm; edges are told
    by how far they move dev scores on a held-out fifth of dev, so that noise leaves the best.
    """

    paper: ClassVar = "GraphRouter, arXiv 2410.03834"

    label: Literal["score", "best"] = "score"
    """What an edge is told to be: the member's score, or 1 for the member with the best reward and else 0."""
    masked: Share = 0.5
    """Share of the questions of a step whose edges are hidden and told."""
    tasks: Count = 16
    """Groups of like questions that stand for tasks where dev names none."""
    width: Count = 32
    """Length of the learned vectors."""
    steps: Count = 300
    """Steps of training, at `lr`, on `batch` questions each."""
    lr: float = 0.02
    """Learning rate."""
    batch: Count = 256
    """Questions per step."""

    def learn(self, table: Table) -> Learned:
        """Train the messages along the dev graph, with some of its questions hidden and told; kept is what one vector needs,
        a column per member (`out`), and the tasks' mean vectors."""
        kinds, place = categories(table.x, table.groups, self.tasks)
        tasks = unit(means(table.x, place, len(kinds)))
        x, cost = node(table.x, tasks[nearest(table.x, tasks)]), table.costs.mean(axis=0)
        reward = rewards(table.scores, table.costs, 1000 * (self.tradeoff or 0.0))
        label = winners(reward, table.standing, cost) if self.label == "best" else table.scores
        weights, lean = trained(x, reward, label, table.scores, self.width, self.masked, self.batch, Descent(self.steps, self.lr))
        out = Graph.of(x, reward).passed(weights).out
        return Learned({"slope": lean.slope}, {"align": weights["align"], "out": out, "base": lean.base, "tasks": tasks})

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Dev score of each member moved by its edge to the question: [questions, members]."""
        tasks, align, out, base = (found.arrays[k] for k in ("tasks", "align", "out", "base"))
        worth: np.ndarray = base + found.values["slope"] * (node(x, tasks[nearest(x, tasks)]) @ align @ out.T)
        return worth
