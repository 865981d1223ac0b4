"""Teams are models: they ask, bill, nest, stream and survive absent members."""

from __future__ import annotations

import asyncio
import signal
import threading
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from consilience.errors import ConfigError, ModelError, NoAnswerError, TeamError
from consilience.gather import Members
from consilience.method import Level, Method
from consilience.methods.text.majority_vote import MajorityVote
from consilience.methods.text.mixture_of_agents import MixtureOfAgents
from consilience.methods.text.panel import Panel
from consilience.reading import Choice
from consilience.registry import method
from consilience.tasks import task
from consilience.team import Team, run_sync
from consilience.types import Draws, Event, Reply, Request, Scope
from tests.members import Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(3))


def test_parts_add_up_to_the_bill() -> None:
    team = Team(MajorityVote(stop="never"), [Scripted("a", ["A"], seconds=2.0), Scripted("b", ["B"]), Scripted("c", ["A"])])
    [reply] = asyncio.run(team.generate(QUESTION))
    assert (reply.text, reply.reading, reply.usage.calls) == ("A", "A", 3)
    assert reply.cost == pytest.approx(sum(p.cost or 0 for p in reply.parts))
    assert reply.seconds == 2.0, "a wave takes as long as its slowest member"


@pytest.mark.parametrize(("method", "members", "roles", "told"), [
    (MajorityVote, [Scripted("a", ["A"])], {}, r"needs a method, such as MajorityVote\(\)"),
    ("majority-vote", [Scripted("a", ["A"])], {}, "needs a method"),
    (MajorityVote(), "nursery", {}, "members: 'nursery' is a name; consilience.member"),
    (MajorityVote(), ["nursery/harbor"], {}, "'nursery/harbor' is a name"),
    (MajorityVote(), [object()], {}, "object is no model: it has no card, generate, stream, power"),
    (Panel(), [Scripted("a", ["A"])], {"judge": "nursery/harbor"}, "judge: 'nursery/harbor' is a name"),
])
def test_what_cannot_be_a_team_says_what_would(method: Any, members: Any, roles: Any, told: str) -> None:
    with pytest.raises(TeamError, match=told):
        Team(method, members, **roles)


def test_one_model_is_a_team_of_one() -> None:
    assert Team(MajorityVote(), Scripted("a", ["A"])).ask(QUESTION).reading == "A"


def test_a_method_that_gives_no_reply_is_named() -> None:
    @dataclass(frozen=True)
    class Mute(Method):
        level: ClassVar = Level.TEXT

        async def run(self, request: Request, members: Members) -> Any:
            return (await members[0].ask(request)).text

    with pytest.raises(TeamError, match="mute: its run must give a Reply or a Last, got str"):
        Team(Mute(), [Scripted("a", ["A"])]).ask(QUESTION)


def test_texts_in_place_of_requests_and_formats_say_what_would_do() -> None:
    team = Team(MajorityVote(), [Scripted("a", ["A"])])
    with pytest.raises(TeamError, match=r"expected a request, Request.of\('Which\?'\); team.ask takes a text"):
        asyncio.run(team.generate("Which?"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"such as consilience.reading.Number\(\), got 'number'"):
        Request.of("Which?", format="number")


def test_fit_asks_for_the_dev_split() -> None:
    for given in (task("nursery", limit=4), [1, 2]):
        with pytest.raises(TeamError, match="give it the dev split of a task"):
            Team(MajorityVote(), [Scripted("a", ["A"])]).fit_sync(given)


def test_three_copies_equal_three_draws() -> None:
    one = Scripted("a", ["A", "B", "B"])
    copies = Team(MajorityVote(), [one, one, one])
    [reply] = asyncio.run(copies.generate(QUESTION))
    assert reply.reading == "B"
    assert sorted(p.draw for p in reply.parts) == [0, 1, 2]


def test_teams_nest() -> None:
    inner = Team(MajorityVote(stop="never"), [Scripted("a", ["A"]), Scripted("b", ["A"]), Scripted("c", ["B"])], name="inner")
    outer = Team(MajorityVote(stop="never"), [inner, Scripted("d", ["A"]), Scripted("e", ["C"])])
    [reply] = asyncio.run(outer.generate(QUESTION))
    assert reply.reading == "A" and reply.usage.calls == 5
    assert [p.model for p in reply.parts] == ["inner", "d", "e"] and len(reply.parts[0].parts) == 3


def test_absent_members_are_named_and_all_down_is_no_answer() -> None:
    team = Team(MajorityVote(), [Scripted("a", ["A"]), down("b")])
    [reply] = asyncio.run(team.generate(QUESTION))
    assert reply.reading == "A" and [(a.member, a.reason) for a in reply.absent] == [("b", "down")]
    with pytest.raises(NoAnswerError, match="b is down"):
        asyncio.run(Team(MajorityVote(), [down("a"), down("b")]).generate(QUESTION))


def test_second_draw_of_a_team_uses_a_stream_of_its_own() -> None:
    seen: list[str] = []

    class Watching(Scripted):
        async def generate(self, request, draws=Draws(), scope=None):  # type: ignore[no-untyped-def, override]
            seen.append(draws.stream)
            return await super().generate(request, draws)

    team = Team(MajorityVote(), [Watching("a", ["A"])])
    asyncio.run(team.generate(QUESTION, Draws(2)))
    assert seen[0] == "" and seen[1] != ""


@pytest.mark.parametrize("pieces", [0, 2])
def test_a_stream_that_falls_silent_ends(pieces: int) -> None:
    """Before its first piece another member is asked; after it, what was said cannot be taken back."""
    class Silent(Scripted):
        async def stream(self, request, draw=Draws(), scope=None):  # type: ignore[no-untyped-def, override]
            for _ in range(pieces):
                await asyncio.sleep(.06)
                yield Event("delta", "so ")
            await asyncio.sleep(60)
    team = Team(MixtureOfAgents(layers=1, timeout=.1), [Scripted("b", ["B"]), Scripted("c", ["C"])], aggregator=Silent("a", ["A"]))
    heard: list[Event] = []

    async def listen() -> None:
        async for event in team.stream(QUESTION, scope=Scope(live=True)):
            heard.append(event)
    if pieces:
        with pytest.raises(ModelError, match="a took longer than 0.1 seconds"):
            asyncio.run(listen())
        assert [event.text for event in heard if event.kind == "delta"] == ["so "] * pieces
    else:
        asyncio.run(listen())
        assert heard[-1].reply is not None and heard[-1].reply.text == "B" and heard[-1].reply.absent[0].reason == "timeout"


@pytest.mark.parametrize("copies", [1, 2])
def test_a_draw_that_fails_ends_the_others(copies: int) -> None:
    """Two draws of a team, or of two copies of a model in it: nobody goes on working for an answer that cannot come."""
    class Later(Scripted):
        async def generate(self, request, draws=Draws(), scope=None):  # type: ignore[no-untyped-def, override]
            if draws.stream or draws.first == 3:
                raise ModelError("gone", reason="down")
            await asyncio.sleep(60)
    one = Later("a", ["A"])

    async def ask() -> None:
        with pytest.raises(NoAnswerError, match="gone"):
            await Team(MajorityVote(draws=copies, stop="never"), [one] * copies).generate(QUESTION, Draws(2))
        assert asyncio.all_tasks() == {asyncio.current_task()}
    asyncio.run(ask())


def test_stream_ends_with_the_sum_of_its_deltas() -> None:
    async def collect() -> tuple[str, str | None]:
        team = Team(MajorityVote(), [Scripted("a", ["A"]), Scripted("b", ["A"])])
        text, done = "", None
        async for event in team.stream(QUESTION):
            text += event.text if event.kind == "delta" else ""
            done = event.reply or done
        return text, done and done.text

    text, final = asyncio.run(collect())
    assert text == final == "A"


def test_an_unknown_role_is_refused_with_a_hint() -> None:
    with pytest.raises(TeamError, match="no role 'jugde'"):
        Team(MajorityVote(), [Scripted("a", ["A"])], jugde=Scripted("b", ["A"]))


def test_comparing_without_a_format_is_refused() -> None:
    with pytest.raises(TeamError, match="answer format"):
        asyncio.run(Team(MajorityVote(), [Scripted("a", ["A"])]).generate(Request.of("Which?")))


def test_a_model_error_outside_a_wave_is_no_answer() -> None:
    bad = Scripted("a", [ModelError("broken", reason="error")])
    with pytest.raises(NoAnswerError):
        asyncio.run(Team(MajorityVote(), [bad]).generate(QUESTION))


def test_asking_from_the_loop_that_answers_is_an_error_and_an_interrupt_ends_the_work() -> None:
    team = Team(MajorityVote(), [Scripted("a", ["A"])])

    async def nested() -> str | None:
        return team.ask(QUESTION).text
    with pytest.raises(RuntimeError, match="await team.generate"):
        run_sync(nested())
    ended = threading.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, .1)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_sync(long())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ended.wait(5)


async def streamed(team: Team, request: Request = QUESTION) -> tuple[str, Reply]:
    text, done = "", None
    async for event in team.stream(request):
        text += event.text if event.kind == "delta" else ""
        done = event.reply or done
    assert done is not None
    return text, done


def test_a_streamed_last_ask_that_fails_leaves_the_best_answer_so_far() -> None:
    """The aggregator fails before it says a word: the layer's vote stands. One that broke off in the middle is an error."""
    def layer(request: Request, draw: int) -> str:
        return "A" if request.form == "answer" else "never"
    members = [Scripted("a", layer), Scripted("b", layer)]
    team = Team(method("mixture-of-agents", {"layers": 2}), members, aggregator=down("judge"))
    text, reply = asyncio.run(streamed(team))
    assert text == reply.text == "A" and reply.note["fallback"] == "last ask failed"
    assert [(gone.member, gone.reason) for gone in reply.absent] == [("judge", "down")]

    class Breaking(Scripted):
        async def stream(self, request, draw=Draws(), scope=Scope()):  # type: ignore[no-untyped-def, override]
            yield Event("delta", "The ans")
            raise ModelError("the line broke", reason="down")
    with pytest.raises(ModelError, match="the line broke"):
        asyncio.run(streamed(Team(method("mixture-of-agents", {"layers": 2}), members, aggregator=Breaking("judge", ["A"]))))


def test_a_streamed_ask_goes_on_to_the_next_and_ends_without_an_answer_when_all_fail() -> None:
    team = Team(method("best-on-dev"), [down("a"), Scripted("b", [None]), Scripted("c", ["C"])])
    text, reply = asyncio.run(streamed(team))
    assert text == "C" and reply.note["fallback"] is True and [gone.member for gone in reply.absent] == ["a"]
    with pytest.raises((ModelError, NoAnswerError), match="b is down"):
        asyncio.run(streamed(Team(method("best-on-dev"), [down("a"), down("b")])))
    with pytest.raises(NoAnswerError, match="no member produced any text"):
        asyncio.run(streamed(Team(method("best-on-dev"), [Scripted("a", [None])])))


def test_who_stops_listening_stops_the_work() -> None:
    ended: list[str] = []

    class Slow(Scripted):
        async def generate(self, request, draws=Draws(), scope=Scope()):  # type: ignore[no-untyped-def, override]
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(self.name)

    async def listen() -> None:
        events = Team(MajorityVote(stop="never"), [Slow("a", ["A"]), Slow("b", ["A"])]).stream(QUESTION)
        assert (await anext(events)).kind == "progress"
        await events.aclose()   # type: ignore[attr-defined]
        assert asyncio.all_tasks() == {asyncio.current_task()}
    asyncio.run(listen())
    assert sorted(ended) == ["a", "b"]


def test_a_plain_question_is_asked_without_a_format() -> None:
    member = Scripted("a", ["Paris, I think."])
    reply = Team(method("best-on-dev"), [member]).ask("Capital of France?", max_tokens=7)
    assert reply.text == "Paris, I think." and member.asked[0].sampling.max_tokens == 7 and member.asked[0].question == "Capital of France?"
