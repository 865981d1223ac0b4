"""A run's patience: timeouts and quorums, on recorded seconds or on the clock, and what it tells of its asks."""

from __future__ import annotations

import asyncio
import time

import pytest

from consilience.errors import ConfigError, ModelError, NoAnswerError
from consilience.method import Method
from consilience.reading import Choice
from consilience.registry import method
from consilience.run import Run
from consilience.team import Team
from consilience.types import Event, Reply, Request, Scope
from tests.members import Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def ask(made: Method, members: list[Scripted], live: bool = False) -> Reply:
    return asyncio.run(Team(made, members).generate(QUESTION, scope=Scope(live=live)))[0]


def refine(**options: object) -> Method:
    return method("multiagent-refine", {"rounds": 2, **options})


def test_whoever_takes_longer_than_the_timeout_is_absent_on_recorded_seconds() -> None:
    members = [Scripted("slow", ["A"], seconds=9.0), Scripted("x", ["B"], seconds=1.0), Scripted("y", ["C"], seconds=2.0)]
    reply = ask(method("medoid-vote", {"timeout": 5.0}), members)
    assert [(a.member, a.reason) for a in reply.absent] == [("slow", "timeout")] and reply.reading == "B"
    assert reply.seconds == 5.0 and reply.usage.calls == 3, "what was asked is paid for, and waited for no longer"
    assert ask(method("medoid-vote"), members).seconds == 9.0


def test_while_somebody_waits_the_clock_decides() -> None:
    members = [Scripted("slow", ["A"], delay=30.0), Scripted("x", ["B"], seconds=99.0)]
    begun = time.monotonic()
    reply = ask(method("medoid-vote", {"timeout": 0.2}), members, live=True)
    assert reply.reading == "B" and time.monotonic() - begun < 10
    assert [(a.member, a.reason) for a in reply.absent] == [("slow", "timeout")]


def test_of_several_draws_the_late_ones_are_missed() -> None:
    draws = [Reply("A", seconds=1.0), Reply("B", seconds=9.0), Reply("B", seconds=9.0)]
    reply = ask(method("self-consistency", {"draws": 3, "timeout": 5.0}), [Scripted("m", draws)])
    assert reply.reading == "A" and {a.reason for a in reply.absent} == {"timeout"}
    with pytest.raises(NoAnswerError, match="longer than 0.5 seconds"):
        ask(method("self-consistency", {"draws": 3, "timeout": 0.5}), [Scripted("m", draws)])


def test_a_last_ask_that_is_late_passes_on() -> None:
    writer = Scripted("w", lambda request, draw: Reply("B", seconds=60.0 if request.form == "fuse" else 1.0))
    reply = asyncio.run(Team(refine(timeout=5.0), [writer, Scripted("x", ["C"])]).generate(QUESTION))[0]
    assert "fallback" in reply.note and [a.reason for a in reply.absent] == ["timeout"]


def test_a_stream_that_does_not_begin_in_time_passes_on() -> None:
    async def collect() -> list[Event]:
        team = Team(method("thought-mani", {"timeout": 0.2}), [Scripted("slow", ["A"], delay=30.0), Scripted("x", ["B"])])
        return [event async for event in team.stream(QUESTION, scope=Scope(live=True))]
    done = asyncio.run(collect())[-1].reply
    assert done is not None and done.reading == "B" and [(a.member, a.reason) for a in done.absent] == [("slow", "timeout")]


def test_whoever_watches_is_told_of_every_ask_also_within_teams() -> None:
    inner = Team(method("majority-vote", {"stop": "never"}), [Scripted("x", ["A"]), Scripted("y", ["A"])], name="inner")
    told: list[str] = []
    asyncio.run(Team(refine(), [inner, Scripted("z", ["B"])]).generate(QUESTION, scope=Scope(watch=told.append)))
    assert told[:2] == ["inner: answer", "z: answer"] and {"x: answer", "y: answer"} <= set(told)
    assert "inner: fuse" in told[4:], "the last ask too"


def test_a_stage_with_fewer_answers_than_the_quorum_is_none() -> None:
    members = [Scripted("x", ["A"]), Scripted("y", ["B"]), down("z")]
    assert ask(refine(quorum=2), members).text
    with pytest.raises(NoAnswerError, match="2 of 3 members answered, the quorum is 3"):
        ask(refine(quorum=3), members)
    with pytest.raises(NoAnswerError, match="quorum is 3"):
        ask(method("majority-vote", {"quorum": 3}), members)
    assert ask(refine(quorum=5), members[:2]).text, "at most all"


def test_a_later_round_without_a_quorum_leaves_the_last_one() -> None:
    def tiring(request: Request, draw: int) -> object:
        return "B" if request.form == "answer" else ModelError("gone")
    members = [Scripted("x", ["A"]), Scripted("y", tiring), Scripted("z", tiring)]      # type: ignore[arg-type]
    made = method("structured-interaction", {"structure": "complete", "final": "vote", "rounds": 2})
    assert ask(made, members).reading == "B"
    rest = lambda options: Team(method("structured-interaction", {"structure": "complete", "rounds": 2, **options}), [  # noqa: E731
        Scripted("x", lambda r, d: "A" if r.form == "answer" else "D"), *members[1:]])
    assert [asyncio.run(rest(o).generate(QUESTION))[0].reading for o in ({}, {"quorum": 2})] == ["D", "A"]


def test_patience_is_checked_and_belongs_to_the_method() -> None:
    with pytest.raises(ConfigError, match="timeout is in seconds"):
        method("medoid-vote", {"timeout": 0})
    with pytest.raises(ConfigError, match="quorum must be at least 1"):
        method("medoid-vote", {"quorum": 0})
    with pytest.raises(ConfigError, match="write one text together"):
        method("logit-fusion", {"timeout": 3.0})
    assert method("medoid-vote").options() == {"draws": 1} and method("medoid-vote", {"quorum": 2}).options()["quorum"] == 2
    assert method("medoid-vote").key() != method("medoid-vote", {"timeout": 3.0}).key()


def test_asks_are_numbered_and_told_as_they_begin() -> None:
    told: list[str] = []
    run = Run(watch=told.append)
    assert [run.begin("x", "answer", 3), run.begin("y", "fuse")] == [1, 2] and told == ["x: answer x 3", "y: fuse"]
