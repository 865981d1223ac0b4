"""Token cascade: pass a question on where quantiles of the tokens' log-probabilities say that the answer is unsure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from consilience.gather import Member, Members, ask_all
from consilience.learn.cascades import Climb, Ordered
from consilience.learn.confidence import UNREAD, logprobs
from consilience.learn.surprise import LEVELS, Measure, Rule, chosen, features
from consilience.method import Count, Learned, Share
from consilience.registry import register
from consilience.types import Reply, Request

if TYPE_CHECKING:
    import numpy as np


@register
@dataclass(frozen=True)
class TokenCascade(Ordered):
    """Members answer from cheap to dear until one is sure by the log-probabilities of its tokens.

    Sums punish long answers and means hide one doubtful word; quantiles do neither, and a small network over many of them
    (`learned`) sees more. `best` takes, for each rung, the rule with the largest area under the deferral curve on dev.
    Use it with members that give log-probabilities, on answers of more than a word. Deviations: answers are the
    experiment's sampled drafts, not greedy ones; no hidden states are used; more than two members form a chain, whose
    rules are judged against the last member.
    """

    paper: ClassVar = "Language Model Cascades, arXiv 2404.10136"
    cost: ClassVar = "N"
    extras: ClassVar = frozenset({"logprobs"})

    rule: Literal["best", "sum", "average", "quantile", "learned"] = "best"
    """Sum, mean or a quantile of the log-probabilities, a network over all of them, or the best of these on dev."""
    quantile: Share | None = None
    """Which quantile (0 is the least sure token); none: the best on dev."""
    folds: Count = 5
    """Parts of dev, each judged by what the network learned from the others."""

    async def tries(self, request: Request, member: Member, members: Members) -> Reply:
        """The member's answer; the evidence is a list of features of its tokens' log-probabilities, empty where there are
        none."""
        reply = (await ask_all([member], request)).by_member[0][0]
        return reply.noting(evidence=features(logprobs(reply)))

    def learn(self, climb: Climb) -> tuple[np.ndarray, Learned]:
        """For every rung but the last, the rule that tells best whether deferring to the last member gains."""
        import numpy as np

        large, folds = climb.asked.scores[:, climb.order[-1]], climb.asked.folds(self.folds)
        sure, values = np.full((len(climb.order), len(climb)), UNREAD), {}
        arrays: dict[str, np.ndarray] = {}
        for m in climb.order[:-1]:
            seen = [[] if r is None else r.note["evidence"] for r in climb.replies[m]]
            measure, sure[m] = chosen(self._candidates(), seen, climb.tried.scores[:, m], large, folds)
            values[str(m)] = [measure.rule, measure.level]
            arrays |= {f"{m}.{name}": array for name, array in measure.arrays.items()}
        return sure, Learned({"rules": values}, arrays)

    def sure(self, found: Learned, request: Request, reply: Reply, place: int) -> float:
        """What the rung's rule makes of the answer's log-probabilities; never sure where it has none."""
        import numpy as np

        seen = reply.note["evidence"]
        if not seen:
            return UNREAD
        rule, level = found.values["own"]["rules"][str(place)]
        own = {name.removeprefix(f"{place}."): a for name, a in found.arrays.items() if name.startswith(f"{place}.")}
        return float(Measure(rule, level, own).of(np.array([seen]))[0])

    def _candidates(self) -> list[tuple[Rule, float]]:
        rules: tuple[Rule, ...] = ("average", "sum", "quantile", "learned") if self.rule == "best" else (self.rule,)
        levels = LEVELS if self.quantile is None else (self.quantile,)
        return [(rule, level) for rule in rules for level in (levels if rule == "quantile" else (0.0,))]
