"""PlanGEN: constraints are read out of the question, candidates are rated against them, and the search is chosen per question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from consilience.gather import Members, plurality
from consilience.learn.plans import LEAST, Plan, Workshop, constrained, favoured, gathered, ordered
from consilience.method import Count, Last, Level, Method, Role
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class PlanGen(Method):
    """A model lists what a right solution must meet; members write candidates, a verifier rates each from -100 to 100 by that
    list, and the best is the answer. Which search writes them (best of n, a tree of steps, REBASE) is chosen per question.

    For planning and reasoning with explicit constraints, and a verifier that can tell whether they are met; dear. The mixture
    runs first the search that the planner names, then those not tried, then the highest UCB1. Where no verdict of the first
    search can be read, a vote over its candidates answers; where no candidate can, the best member. Deviations: plain UCB1
    (`mean + 2*sqrt(ln T / n)`) in place of the paper's sum of five terms; a plan is finished in one go at the depth limit.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "PlanGEN, arXiv 2502.16111"
    cost: ClassVar = "3 + 2*max(candidates, branches*depth, width*depth)*(selections if search == 'mixture' else 1)"
    roles: ClassVar = (Role("planner", doc="lists the constraints and names a search"),
                       Role("verifier", doc="rates candidates in words"))

    search: Literal["mixture", "best-of-n", "tree", "rebase"] = "mixture"
    """Which search writes the candidates."""
    candidates: Count = 5
    """Solutions of best of n."""
    branches: Count = 3
    """Children of a node of the tree."""
    width: Count = 5
    """Plans on a level of REBASE (the paper: 10)."""
    depth: Count = 3
    """Most steps of a plan; the last one finishes it."""
    selections: Count = 3
    """Most searches that the mixture runs."""
    enough: float = 95.0
    """Reward at which the mixture stops."""
    temperature: float = 0.7
    """Of what members write."""

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Search for a plan and its solution, by one search or the one that paid most so far, until a reward of `enough`; the
        best rewarded answer wins, a vote among them where nothing was rated."""
        limits = await constrained(request, members.role("planner"))
        shop = Workshop(request, members, members.role("verifier"), limits, self.depth, self.temperature)
        names = await ordered(request, members.role("planner")) if self.search == "mixture" else [self.search]
        rewards, plans = {name: list[float]() for name in names}, list[Plan]()
        for _ in range(self.selections if len(names) > 1 else 1):
            name = favoured(rewards)
            found = await self._searched(shop, name)
            plans += found
            rewards[name].append(max((plan.worth for plan in found), default=LEAST))
            if rewards[name][-1] >= self.enough or all(plan.reward is None for plan in plans):
                break
        note = {"runs": {name: told for name, told in rewards.items() if told}, "constraints": len(limits)}
        rated = [p for p in plans if p.reply is not None and p.reward is not None and not p.reply.unreadable(request.format)]
        wave, best = gathered(plans), max(rated, key=lambda plan: plan.worth, default=None)
        chosen = best.reply if best is not None else await plurality(request, wave) if wave.replies else None
        if chosen is not None and not chosen.unreadable(request.format):
            return chosen.noting(**note, reward=best.worth if best is not None else None)
        return Last(members.best, request, chosen, note, [m for m in members.ranking if m is not members.best])

    async def _searched(self, shop: Workshop, name: str) -> list[Plan]:
        """The whole plans that a search finds."""
        if name == "best-of-n":
            return await shop.best_of(self.candidates)
        return await (shop.tree(self.branches) if name == "tree" else shop.rebase(self.width))
