"""HALO: a planner names sub-tasks one by one, roles are invented for each, and a tree search seeks who should speak after whom."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import ClassVar

from consilience.gather import Members, ask_all, classes, plurality
from consilience.learn.delegation import Job
from consilience.learn.turns import search, settles
from consilience.method import Count, Level, Method, Role
from consilience.registry import register
from consilience.types import Reply, Request, digest


@register
@dataclass(frozen=True)
class Halo(Method):
    """A planner restates the question and names one sub-task after the other; for each, roles are invented, and a Monte Carlo
    tree search with a judge finds who should speak after whom. It ends when the planner stops or two thirds of at least two
    results agree.

    For long questions with strong members that follow instructions; dear. Members play the roles in turn, best first. Without
    a readable plan, or where the last result cannot be read, a vote over plain answers decides. Deviations: one call restates
    the question, not four; roles get no rewritten prompts and read earlier results; verdict and score are one call; the
    answer format, not BLEU, says which results agree; the reference loses statistics on copies, here they stay.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "HALO, arXiv 2505.13516"
    cost: ClassVar = "1 + N + subtasks*(2 + 2*acts)"
    roles: ClassVar = (Role("planner", doc="restates the question, names sub-tasks and roles"), Role("judge", doc="judges results"))

    subtasks: Count = 5
    """Sub-tasks at most."""
    experts: Count = 3
    """Most roles for a sub-task."""
    depth: Count = 5
    """Most roles that speak one after the other."""
    simulations: Count = 5
    """Random continuations tried after each expansion."""
    acts: Count = 20
    """Most times that a role speaks in one sub-task, each with one judgement."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Set subtasks one by one and search for each its chain of experts, until answers agree or `subtasks` are done; a
        plain vote where that comes to nothing."""
        job, results = await Job.of(request, members), list[Reply]()
        for _ in range(self.subtasks):
            todo = await job.next(self.experts)
            if todo is None:
                break
            rng = Random(digest([request.seed, request.question, todo.now]))
            end = await search(todo.act, len(todo.parts), self.depth, self.simulations, self.acts, rng)
            if end is None or end.reply is None:
                break
            job, results = todo.ended(end), [*results, end.reply]
            groups = await classes(request, results) if request.format is not None else []
            for group in groups:
                if settles(len(group.replies), len(results)):
                    return group.replies[-1].noting(subtasks=len(results), agreed=True)
        note = {"subtasks": len(results), "agreed": False}
        if results and not results[-1].unreadable(request.format):
            return results[-1].noting(**note)
        return (await plurality(request, await ask_all(members, request))).noting(**note)
