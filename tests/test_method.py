"""Last asks, fitting inside out, merging children, needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import pytest

from consilience.errors import ModelError, NoAnswerError, TeamError
from consilience.gather import Members, ask_all
from consilience.method import Cast, Dev, Last, Level, Method, Role, Scored
from consilience.model import Model, Verify
from consilience.prompt import put
from consilience.reading import Choice
from consilience.team import Fits, Team
from consilience.types import Draws, Example, Reply, Request, Scope
from tests.members import Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(3))


@dataclass(frozen=True)
class Summarise(Method):
    level: ClassVar = Level.TEXT

    async def run(self, request: Request, members: Members) -> Last:
        wave = await ask_all(members[1:], request)
        fuse = put(request, "fuse", candidates=[r.text or "" for r in wave.replies])
        return Last(members[0], fuse, otherwise=wave.best, note={"drafts": len(wave.replies)})


@dataclass(frozen=True)
class Judged(Method):
    level: ClassVar = Level.SEARCH
    roles: ClassVar = (Role("verifier", needs=(Verify,), default="", doc="rates answers"),)

    async def run(self, request: Request, members: Members) -> Reply:
        wave = await ask_all(tuple(members), request)
        scores = await members.role("verifier").verify(request, [r.text or "" for r in wave.replies])
        return max(zip(scores, wave.replies, strict=True), key=lambda pair: pair[0] or 0.0)[1]


@dataclass(frozen=True)
class Best(Method):
    level: ClassVar = Level.ROUTE
    must_fit: ClassVar = True

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        return self.with_learned({"examples": [e.id for e in dev.examples], "standing": list(cast.standing or ())})

    async def run(self, request: Request, members: Members) -> Last:
        self.found()
        return Last(members.best, request)


@dataclass(frozen=True)
class Child(Method):
    level: ClassVar = Level.WEIGHT

    async def run(self, request: Request, members: Members) -> Reply:
        raise AssertionError("the child answers")

    async def make(self, cast: Cast) -> Model:
        return Scripted("child", ["C"], scores=len)


@dataclass
class Quiz:
    """A Dev over scripted members: right when the text is the reference."""

    examples: Sequence[Example]

    async def replies(self, models: Sequence[Model], draws: Draws = Draws(),
                      extras: frozenset[str] = frozenset()) -> list[list[Scored]]:
        return [[Scored(r, float(r.text in e.references)) for e in self.examples
                 for r in await m.generate(e.request, draws, Scope(example=e.id))] for m in models]

    async def evaluate(self, method: Method, members: Sequence[Model]) -> list[float]:
        return [s.score for s in (await self.replies([Team(method, members)]))[0]]

    def folds(self, k: int) -> list[Quiz]:
        return [Quiz(self.examples[i::k]) for i in range(k)]


DEV = Quiz([Example(str(i), QUESTION.having(seed=i), ("A",)) for i in range(4)])


def answer(team: Team) -> Reply:
    return asyncio.run(team.generate(QUESTION))[0]


def test_the_last_ask_is_made_and_noted() -> None:
    head = Scripted("head", ["C"])
    reply = answer(Team(Summarise(), [head, Scripted("a", ["A"]), Scripted("b", ["B"])]))
    assert (reply.reading, reply.note["drafts"], reply.seconds) == ("C", 2, 2.0)
    assert [p.asked for p in reply.parts] == ["answer", "answer", "fuse"]


@pytest.mark.parametrize("head", [ModelError("gone"), "", "no letter here"])
def test_otherwise_answers_when_the_last_ask_fails_or_cannot_be_read(head: object) -> None:
    reply = answer(Team(Summarise(), [Scripted("head", [head]), Scripted("a", ["A"])]))  # type: ignore[list-item]
    assert reply.reading == "A" and "fallback" in reply.note


def test_a_last_ask_streams() -> None:
    async def collect() -> tuple[list[str], Reply | None]:
        kinds, done = [], None
        async for event in Team(Summarise(), [Scripted("head", ["C"]), Scripted("a", ["A"])]).stream(QUESTION):
            kinds.append(event.kind)
            done = event.reply or done
        return kinds, done

    kinds, done = asyncio.run(collect())
    assert kinds == ["progress", "progress", "delta", "done"]
    assert done is not None and done.text == "C" and done.usage.calls == 2 and done.seconds == 2.0


def test_a_failed_stream_falls_back_before_the_first_delta() -> None:
    async def collect() -> str:
        return "".join([e.text async for e in Team(Summarise(), [down("head"), Scripted("a", ["A"])]).stream(QUESTION)
                        if e.kind == "delta"])

    assert asyncio.run(collect()) == "A"


def test_roles_are_negotiated_and_their_work_is_billed() -> None:
    with pytest.raises(TeamError, match="rates answers"):
        Team(Judged(), [Scripted("a", ["A"])])
    with pytest.raises(TeamError, match="judged needs Verify from its verifier, but b does not offer Verify"):
        Team(Judged(), [Scripted("a", ["A"])], verifier=Scripted("b", ["B"]))
    judge = Scripted("v", [], scores=lambda text: 1.0 if text == "B" else 0.0)
    reply = answer(Team(Judged(), [Scripted("a", ["A"]), Scripted("b", ["B"])], verifier=judge))
    assert reply.reading == "B" and reply.usage.calls == 3 and reply.parts[-1].asked == "verify"


def test_fitting_sets_the_standing_and_is_needed_where_it_is_needed() -> None:
    members = [Scripted("wrong", ["B"]), Scripted("right", ["A"])]
    with pytest.raises(TeamError, match="must be fitted"):
        answer(Team(Best(), members))
    team = Team(Best(), members).fit_sync(DEV)
    assert team.standing == (0.0, 1.0) and answer(team).reading == "A"
    assert team.card.fingerprint != Team(Best(), members).card.fingerprint


def test_nested_teams_fit_inside_out_on_their_own_part_of_dev() -> None:
    inner = Team(Best(), [Scripted("wrong", ["B"]), Scripted("right", ["A"])], name="inner")
    outer = Team(Best(), [inner, Scripted("c", ["C"])]).fit_sync(DEV)
    fitted = outer.members[0].power(Fits)
    assert isinstance(fitted, Team)
    assert set(fitted.method.found().values["examples"]).isdisjoint(outer.method.found().values["examples"])


def test_the_child_of_a_merging_team_answers_and_lends_its_powers() -> None:
    team = Team(Child(), [Scripted("a", ["A"]), Scripted("b", ["B"])])
    reply = answer(team)
    assert reply.reading == "C" and [p.model for p in reply.parts] == ["child"]


def test_no_text_at_all_is_no_answer() -> None:
    with pytest.raises(NoAnswerError):
        answer(Team(Summarise(), [down("head"), down("a")]))


def test_a_method_without_a_run_cannot_be_made() -> None:
    class Nothing(Method):
        level: ClassVar = Level.TEXT

    with pytest.raises(TypeError, match="abstract"):
        Nothing()  # type: ignore[abstract]


@dataclass(frozen=True)
class Ranked(Method):
    level: ClassVar = Level.ROUTE

    async def run(self, request: Request, members: Members) -> Last:
        return Last.ranked(members.everyone, request, ranked=True)


def test_a_last_ask_passes_on_to_the_next_and_streams_alike() -> None:
    team = Team(Ranked(), [down("a"), Scripted("b", [None]), Scripted("c", ["C"]), Scripted("d", ["D"])])

    async def stream() -> tuple[str, Reply | None]:
        text, done = "", None
        async for event in team.stream(QUESTION):
            text, done = text + event.text * (event.kind == "delta"), event.reply or done
        return text, done
    [reply] = asyncio.run(team.generate(QUESTION))
    text, done = asyncio.run(stream())
    assert done is not None and text == done.text == reply.text == "C"
    for one in (reply, done):
        assert [p.model for p in one.parts] == ["b", "c"] and [a.member for a in one.absent] == ["a"]
        assert dict(one.note) == {"ranked": True, "fallback": True} and one.usage.calls == 2
    with pytest.raises(NoAnswerError):
        asyncio.run(Team(Ranked(), [down("a"), Scripted("b", [None])]).generate(QUESTION))


def test_a_streamed_draw_is_the_draw_that_asking_would_give() -> None:
    one = Scripted("a", ["A", "B", "C"])

    @dataclass(frozen=True)
    class Again(Method):
        level: ClassVar = Level.ROUTE

        async def run(self, request: Request, members: Members) -> Last:
            await ask_all(members, request)
            return Last(members[1], request)
    team = Team(Again(), [one, one])

    async def stream() -> str:
        return "".join([event.text async for event in team.stream(QUESTION) if event.kind == "delta"])
    [reply] = asyncio.run(team.generate(QUESTION))
    assert asyncio.run(stream()) == reply.text == "A", "draw 3 of three answers that repeat"
