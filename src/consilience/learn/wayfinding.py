"""Cascade routing on dev: what every price of money would have had it do, and with whom it plans at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from consilience.learn.goals import Aimed, Trials
from consilience.learn.table import Table
from consilience.learn.unified import Planner, mixing

if TYPE_CHECKING:
    import numpy as np

MOST = 8
"""Members that are planned with; of more, the best of their price and those that add most to them."""
PRICES = 40
"""Prices of money that are tried at first; half as many are tried between the neighbours of the best."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Dev questions as the planner meets them: `quality[state]` [questions, members], none of them seen in learning."""

    planner: Planner
    quality: tuple[np.ndarray, ...]
    gains: tuple[np.ndarray, ...]
    lots: np.ndarray
    table: Table

    def ends(self, price: float, gamma: float) -> np.ndarray:
        """The set that has answered when each question ends."""
        import numpy as np

        state, dear = np.zeros(len(self.table), int), self.lots < gamma
        for _ in range(self.planner.depth):
            after_it = state.copy()
            for k in np.unique(state):
                rows = np.flatnonzero(state == k)
                after_it[rows] = self.planner.onward(int(k), self.gains[k][rows], price, dear[rows])
            state = after_it
        return state

    def trials(self, ways: Sequence[tuple[float, float]], best: np.ndarray) -> Trials:
        """What each price and gamma would have done."""
        import numpy as np

        shape = (len(ways), len(self.table))
        out = Trials(np.zeros(shape), np.zeros(shape), np.zeros(shape), best)
        for line, (price, gamma) in enumerate(ways):
            ends = self.ends(price, gamma)
            for k in np.unique(ends):
                rows, asked = np.flatnonzero(ends == k), list(self.planner.lattice.sets[k])
                pick = np.array(asked)[self.quality[k][np.ix_(rows, asked)].argmax(axis=1)]
                out.quality[line, rows] = self.table.scores[rows, pick]
                out.cost[line, rows] = self.table.costs[np.ix_(rows, asked)].sum(axis=1)
                out.seconds[line, rows] = self.table.seconds[np.ix_(rows, asked)].sum(axis=1)
        return out

    def settled(self, aim: Aimed, best: np.ndarray) -> tuple[tuple[float, float], dict[str, Any]]:
        """The way (price of money, gamma) that the target asks for, of a grid of prices and a closer look around its best,
        and what to expect of it; `best` [questions] are the scores of the best single member."""
        prices = self._prices()
        coarse = aim.nearest(self.trials([(price, 0.0) for price in prices], best))
        budget = None if aim.max_cost_per_1k is None else aim.max_cost_per_1k / 1000
        ways = self._ways(sorted({*prices, *_between(prices, coarse)}), budget)
        settled = aim.settle(self.trials(ways, best))
        way = ways[settled.setting]
        asked = [set(self.planner.lattice.sets[k]) for k in self.ends(*way)]
        shares = {name: round(sum(m in s for s in asked) / len(asked), 6) for m, name in enumerate(self.table.names)}
        return way, {**settled.expected, "shares": shares}

    def _ways(self, prices: Sequence[float], budget: float | None) -> list[tuple[float, float]]:
        """Prices with the shares of ties that go to the dearest: none, all, and what meets a budget (per question)."""
        out = []
        for price in prices:
            cheap, dear = (float(self.trials([(price, gamma)], self.lots).cost.mean()) for gamma in (0.0, 1.0))
            out += [(price, 0.0), (price, 1.0)] if abs(dear - cheap) > 1e-15 else [(price, 0.0)]
            if budget is not None and cheap < budget < dear:
                out.append((price, mixing(budget, cheap, dear)))
        return out

    def _prices(self) -> list[float]:
        """Prices of money at which plans change, from none to more than any answer is worth."""
        import numpy as np

        slopes = self.planner.slopes(self.gains[0])
        slopes = slopes[slopes > 0]
        if not len(slopes):
            return [0.0]
        levels = np.unique(np.quantile(slopes, np.linspace(0, 1, PRICES), method="lower"))
        return [0.0, *(float(p) for p in levels), 2 * float(levels[-1])]


def _between(prices: Sequence[float], place: int) -> list[float]:
    """Prices around one of a rising list, for a closer look."""
    import numpy as np

    ends = prices[max(0, place - 1)], prices[min(len(prices) - 1, place + 1)]
    return [float(p) for p in np.linspace(*ends, PRICES // 2 + 2)[1:-1]] if ends[1] > ends[0] else []


def pool(table: Table) -> list[int]:
    """Members to plan with, cheap to dear, at most `MOST`: those that none beats in both score and cost, then whoever adds
    most to the best of these."""
    import numpy as np

    score, cost = table.standing, planned_cost(table)
    order = sorted(range(len(score)), key=lambda m: (cost[m], -score[m]))
    front = [m for i, m in enumerate(order) if all(score[m] > score[e] for e in order[:i])][::-1][:MOST - 2]
    while len(front) < min(MOST, len(order)):
        reached = table.scores[:, front].max(axis=1)
        rest = [m for m in order if m not in front]
        front.append(max(rest, key=lambda m: round(float(np.maximum(table.scores[:, m] - reached, 0).mean()), 12)))
    return sorted(front, key=order.index)


def planned_cost(table: Table) -> list[float]:
    """Mean dev cost of each member in dollars; 1, a call, for all where one is unknown."""
    import numpy as np

    cost = table.costs.mean(axis=0)
    return [1.0] * len(cost) if np.isnan(cost).any() else [float(c) for c in cost]


def members_of(table: Table, places: Sequence[int]) -> Table:
    """The table of some of its members."""
    at = list(places)
    return replace(table, names=tuple(table.names[m] for m in at), scores=table.scores[:, at], costs=table.costs[:, at],
                   seconds=table.seconds[:, at])
