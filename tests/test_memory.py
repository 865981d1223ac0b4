"""A team's memory: it counts when the question is answered, and questions take turns."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from consilience.errors import ConfigError, ModelError, NoAnswerError, StoreError, TeamError
from consilience.gather import Member, Members, Run
from consilience.method import Last, Level, Ordered
from consilience.models.wrappers.budgeted import Budget, Budgeted
from consilience.saved import read_memory, write_memory
from consilience.team import Team
from consilience.types import Reply, Request, Scope
from tests.members import Scripted


@dataclass(frozen=True)
class Count:
    """Questions so far."""

    asked: int = 0


@dataclass(frozen=True)
class Counting(Ordered):
    """Counts questions; the last ask is left to the team."""

    level: ClassVar = Level.TEXT
    cost: ClassVar = "1"
    keeps: ClassVar = Count

    async def step(self, request: Request, members: Members, memory: Count) -> tuple[Reply | Last, Count]:
        told = request.having(messages=Request.of(f"{memory.asked} {request.question}").messages)
        return Last(members[0], told, note={"number": memory.asked}), Count(memory.asked + 1)


def ask(team: Team, **scope: Any) -> Reply:
    return asyncio.run(team.generate(Request.of("q"), scope=Scope(**scope)))[0]


def test_it_counts_once_the_last_ask_is_answered() -> None:
    said: list[Any] = ["one", ModelError("gone", reason="down"), "", "two"]
    team = Team(Counting(), [Scripted("a", lambda request, draw: said.pop(0))])
    assert (ask(team).text, team.memory) == ("one", {"asked": 1})
    for _ in range(2):
        with pytest.raises(NoAnswerError):
            ask(team)
        assert team.memory == {"asked": 1}
    assert (ask(team).note["number"], team.memory) == (1, {"asked": 2})


def test_the_last_ask_streams() -> None:
    team = Team(Counting(), [Scripted("a", ["yes"])])

    async def go() -> list[str]:
        return [event.kind async for event in team.stream(Request.of("q")) if event.kind != "progress"]
    assert asyncio.run(go()) == ["delta", "done"] and team.memory == {"asked": 1}


def test_questions_and_draws_take_turns_and_loops_may_change() -> None:
    team = Team(Counting(), [Scripted("a", ["yes"], delay=.001)])

    async def crowd() -> list[int]:
        replies = await asyncio.gather(*(team.generate(Request.of(f"q{i}")) for i in range(4)))
        return [reply.note["number"] for [reply] in replies]
    assert asyncio.run(crowd()) == [0, 1, 2, 3] and asyncio.run(crowd()) == [4, 5, 6, 7], "a second event loop"
    assert [team.ask(Request.of("q")).note["number"] for _ in range(2)] == [8, 9]


def test_two_event_loops_at_once_are_refused_and_threads_may_share_one() -> None:
    team = Team(Counting(), [Scripted("a", ["yes"], delay=.2)])
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, team)
        time.sleep(.1)
        with pytest.raises(TeamError, match="on another event loop"):
            ask(team)
        assert first.result().text == "yes" and team.memory == {"asked": 1}
        team.members[0].delay = .001                # type: ignore[attr-defined]
        list(pool.map(lambda _: team.ask(Request.of("q")), range(4)))
    assert team.memory == {"asked": 5}


def test_an_answer_that_the_budget_cuts_short_teaches_nothing() -> None:
    @dataclass(frozen=True)
    class Greedy(Counting):
        """Asks more than can be paid."""

        async def step(self, request: Request, members: Members, memory: Count) -> tuple[Reply | Last, Count]:
            raise ModelError("too dear", reason="budget")
    team = Team(Greedy(), [Budgeted(Scripted("a", ["yes"]))])
    reply = ask(team, ledger=Budget(1.0))
    assert reply.text == "yes" and reply.note["fallback"] and team.memory == {"asked": 0}


def test_a_memory_can_be_set_and_cleared_and_a_run_by_itself_has_none() -> None:
    team = Team(Counting(), [Scripted("a", ["yes"])], memory={"asked": 5})
    members = Members((Member(team.members[0], 0, Run()),))
    assert asyncio.run(team.method.run(Request.of("q"), members)).note == {"number": 0} and team.memory == {"asked": 5}
    with pytest.raises(ConfigError, match="no memory of counting: asked: "):
        Team(Counting(), [Scripted("a", ["yes"])], memory={"asked": "many"})
    team.memory = None
    assert team.memory == {"asked": 0}


def test_a_memory_that_cannot_be_written_or_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert read_memory(tmp_path / "file") == {} == read_memory(tmp_path / "none")
    with pytest.raises(StoreError, match="cannot be written"):
        write_memory({}, tmp_path / "file" / "memory.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_memory(tmp_path)
    for text in ("[" * 100_000, '{"team": ' * 50_000, '{"team": {"sheet": "\\ud800"}}'):
        (tmp_path / "odd").write_text(text)
        with pytest.raises(ConfigError, match="cannot be read"):
            read_memory(tmp_path / "odd")


def test_a_memory_is_written_by_several_at_once_through_a_link_and_leaves_nothing_else(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(real)

    def write(who: int) -> None:
        for _ in range(40):
            write_memory({"team": {"sheet": str(who) * 5000}}, link)
            assert len(read_memory(link)["team"]["sheet"]) == 5000
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    write_memory({"team": "\ud800"}, link)
    assert link.is_symlink() and read_memory(real) == {"team": "?"} and sorted(tmp_path.iterdir()) == [link, real]
