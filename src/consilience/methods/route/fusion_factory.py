"""FusionFactory's query level: another router, taught a merit that is normalised within each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from consilience.errors import ConfigError, TeamError
from consilience.learn.merits import judged, normalised
from consilience.learn.routers import Router
from consilience.learn.table import Table
from consilience.method import Cast, Dev, Learned, Role
from consilience.model import Verify
from consilience.registry import method, register

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = {"performance": (1.0, 0.0), "balance": (0.5, 0.5), "cost": (0.2, 0.8), "judge": (1.0, 0.0)}
"""What performance and cost weigh in each scenario."""


@register
@dataclass(frozen=True)
class FusionFactory(Router):
    """Ask whom another router names when it was taught scores and costs that are normalised within each task.

    For dev questions of many tasks, where a hard task's scores and a long task's costs would else drown the others'. Tasks
    in which all scores are equal teach nothing and are left out. `judge` teaches a reward model's scores of the dev answers
    instead of their own. The paper's thought level is another method: it hands on reasoning, it does not route.
    """

    paper: ClassVar = "FusionFactory, arXiv 2507.10540"
    roles: ClassVar = (*Router.roles, Role("judge", (Verify,), "none", "scores the members' dev answers (scenario `judge`)"))

    router: str = "knn-router"
    """Who learns the merit: any router that chooses before answering."""
    scenario: Literal["performance", "balance", "cost", "judge"] = "performance"
    """What counts: scores alone, scores and costs alike, mostly costs, or a judge's scores."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self._inner(), Router):
            raise ConfigError(f"{self.name}: {self.router} is no router that chooses before answering; knn-router would be")

    def check(self, cast: Cast) -> None:
        """Raises TeamError for the scenario `judge` without a model in that role, and for other members than it was fitted
        for."""
        super().check(cast)
        if self.scenario == "judge" and not cast.roles["judge"]:
            raise TeamError(f"{self.name}: the scenario `judge` needs a model in the role `judge` that offers Verify")

    def _inner(self) -> Router:
        return method(self.router)  # type: ignore[return-value]

    async def table(self, dev: Dev, cast: Cast) -> Table:
        """Dev scores; in the scenario `judge`, with the judge's scores of the same answers beside them."""
        table = await Table.of(dev, cast.members)
        return replace(table, also=(await judged(dev, cast.members, cast.roles["judge"][0]),)) if self.scenario == "judge" else table

    def learn(self, table: Table) -> Learned:
        """What `router` learns from merit less cost, each normalised within its task. ConfigError where the scenario weighs
        costs and one is unknown."""
        a, b = WEIGHTS[self.scenario]
        if b and not (table.costs == table.costs).all():
            raise ConfigError(f"{self.name}: the scenario {self.scenario!r} needs the cost of all members; give prices")
        merit, told = normalised(table.also[0] if table.also else table.scores, table.groups)
        cost, _ = normalised(table.costs, table.groups) if b else (merit, told)
        taught = replace(table, scores=a * merit + b * (1 - cost))
        return self._inner().learn(taught.among(told.nonzero()[0]) if told.any() else taught)

    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """What `router` expects: [questions, members]."""
        return self._inner().worth(found, x, texts)
