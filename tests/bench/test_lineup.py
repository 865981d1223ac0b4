"""What members and teams wear: kept, counted, paid; and what decodes streams through it all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from consilience.bench.lineup import wear
from consilience.gather import Members
from consilience.method import Last, Level, Method
from consilience.methods.text.majority_vote import MajorityVote
from consilience.models.wrappers import Budget, Meter
from consilience.store import Store
from consilience.team import Team
from consilience.types import Event, Reply, Request, Sampling, Scope, Usage
from tests.members import Scripted

ASK = Request.of("why?", sampling=Sampling(max_tokens=100))


@dataclass(frozen=True)
class Spoken(Method):
    """Notes a text that was decoded, and lets the first member say the rest."""

    level: ClassVar = Level.TOKEN
    cost: ClassVar = "2"

    async def run(self, request: Request, members: Members) -> Reply | Last:
        members.run.note(0, 1, Reply("so", usage=Usage(2, 5, 3), cost=0.5, model="all", asked="decode"))
        return Last(members[0], request)


@pytest.mark.parametrize("kept", [False, True])
def test_a_decoding_team_streams_is_counted_and_pays(kept: bool, tmp_path: Path) -> None:
    async def work() -> None:
        with Store(tmp_path / "s.db") as store:
            meter, budget = Meter(), Budget(1.0)
            worn = wear(Team(Spoken(), [Scripted("a", ["one two"])]), store if kept else None, meter)
            events: list[Event] = [e async for e in worn.stream(ASK, scope=Scope(budget))]
            assert [e.kind for e in events if e.kind != "progress"] == ["delta", "done"]
            assert meter.usage == Usage(3, 6, 5) and meter.cost == pytest.approx(0.500005)
            assert budget.spent == pytest.approx(0.500005) and events[-1].reply is not None
            again, second = Meter(), Budget(1.0)
            await wear(Team(Spoken(), [Scripted("a", ["one two"])]), store if kept else None, again).generate(ASK, scope=Scope(second))
            assert again.usage.calls == (0 if kept else 3) and second.spent == budget.spent
    asyncio.run(work())


def test_members_of_a_team_share_a_meter_with_or_without_a_store() -> None:
    meter = Meter()
    worn = wear(Team(MajorityVote(), [Scripted("a", ["x"]), Scripted("b", ["x"])]), None, meter)
    assert isinstance(worn, Team) and meter.usage == Usage()
    asyncio.run(worn.members[0].generate(ASK))
    assert meter.usage.calls == 1
