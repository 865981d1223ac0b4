"""AutoMix: a member checks its own answer several times; a meta-verifier decides whether to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan
from typing import TYPE_CHECKING, Any, ClassVar

from consilience.gather import Member, Members, ask_all
from consilience.learn.cascades import Choice, Climb, Ordered, own_word
from consilience.learn.goals import Trials
from consilience.learn.ladder import Ladder, Plan
from consilience.learn.verdicts import binned, gain_per_cost, policies, share
from consilience.method import Count
from consilience.registry import register
from consilience.types import Reply, Request

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class AutoMix(Ordered):
    """The cheap member answers, is asked `draws` times whether that is right, and the dear one is called where the share
    of `yes` speaks for it.

    Policies are single and double thresholds, the POMDP's and greedy ones over bins of that share; chosen is the one that
    buys most score per dollar (dIBC), or what a stated target asks for; without known prices, the best dev score. Use it
    where the answer can be checked against the question, as in reading. Deviations: the check asks for yes or no alone,
    without worked examples; more than two members form a chain, each policy learned against the last member.
    """

    name: ClassVar = "automix"
    paper: ClassVar = "AutoMix, arXiv 2310.12963"
    cost: ClassVar = "(N - 1)*(1 + draws) + 1"

    draws: Count = 8
    """Checks of each answer, sampled at temperature 1."""
    bins: Count = 8
    """Steps of the share of `yes` that policies tell apart."""

    async def tries(self, request: Request, member: Member, members: Members) -> Reply:
        """The member's answer; the evidence is the share of `draws` verdicts by which it holds its own answer right."""
        reply = (await ask_all([member], request)).by_member[0][0]
        return reply.noting(evidence=share(await own_word(request, reply, member, self.draws, 1.0)))

    def lists(self, ladder: Ladder, order: Sequence[int]) -> list[tuple[int, ...]]:
        """All members; under a target also the cheapest alone and the dearest alone."""
        alone = [(order[0],), (order[-1],)] if self.aims else []
        return [*dict.fromkeys([tuple(order), *alone])]

    def plans(self, ladder: Ladder, order: Sequence[int]) -> list[Plan]:
        """As any cascade; without a target behind two more, the cheapest alone and the dearest alone, which gains per dollar
        are measured against."""
        found = super().plans(ladder, order)
        return found if self.aims else [Plan((order[0],)), Plan((order[-1],)), *found]

    def choices(self, climb: Climb, sure: np.ndarray, place: int) -> list[Choice]:
        """For one rung, the policies to search over, each the list of bins of confidence that it passes on, found on the dev
        questions with a verdict. The last member passes nothing on."""
        rows, last = sure >= 0, climb.order[-1]
        if place == last or not rows.any():
            return [[]]
        small, large = climb.tried.scores[rows, place], climb.asked.scores[rows, last]
        return [list(policy) for policy in policies(sure[rows], small, large, self.bins)]

    def _choose(self, trials: Trials) -> tuple[int, bool]:
        """Without a target the largest dIBC, against the first two settings: the cheap and the dear member alone."""
        if self.aims:
            return super()._choose(trials)
        told = [*zip(trials.quality.mean(axis=1), trials.cost_per_1k, strict=True)]
        gains = [gain_per_cost(score, cost, told[0], told[1]) for score, cost in told[2:]]
        if all(isnan(gain) for gain in gains):
            rest = Trials(trials.quality[2:], trials.cost[2:], trials.seconds[2:], trials.best)
            return 2 + super()._choose(rest)[0], True
        return 2 + max(range(len(gains)), key=lambda i: -inf if isnan(gains[i]) else gains[i]), True

    def accepts(self, choice: Choice, sure: Any) -> Any:
        """Whether an answer was judged at all and its bin is none of those of `choice`, which are passed on; for arrays, of
        each."""
        import numpy as np

        return np.greater_equal(sure, 0) & ~np.isin(binned(sure, self.bins), choice)
