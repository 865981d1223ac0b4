"""Symbolic-MoE: who is recruited for what, who writes the answer, and what happens when something fails."""

from __future__ import annotations

import asyncio

import pytest

from consilience.errors import ConfigError, TeamError
from consilience.methods.route.symbolic_moe import SymbolicMoe
from consilience.model import Price
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down
from tests.methods.questions import split

SUMS, SPELLING = [f"sum {i}" for i in range(6)], [f"spell {i}" for i in range(6)]
DEV = split([*((q, "A") for q in SUMS), *((q, "B") for q in SPELLING)])


def asked(question: str) -> Request:
    return Request.of(question, form="answer", format=Choice(4))


def knowing(name: str, word: str, letter: str, fuses: bool = False) -> Scripted:
    """Right on questions with a word, else it says C; as aggregator it repeats its first candidate that is not C, or says D."""
    def answer(request: Request, draw: int) -> Answer:
        if request.form == "fuse":
            texts = dict(request.fields)["candidates"]
            return next((t for t in texts if t != "C"), "C") if fuses else "D"
        return letter if word in request.question else "C"
    return Scripted(name, answer, price=Price(1, 1))


def tagger() -> Scripted:
    return Scripted("tagger", lambda r, d: "spelling" if "spell" in r.question else "arithmetic" if "sum" in r.question else str(d))


def pool() -> list[Scripted]:
    return [knowing("sums", "sum", "A"), knowing("letters", "spell", "B", fuses=True)]


def ask(team: Team, question: str) -> Reply:
    return asyncio.run(team.generate(asked(question)))[0]


def fitted(members: list[Scripted], **options: int) -> Team:
    return Team(SymbolicMoe(**options), members, tagger=tagger()).fit_sync(DEV)


def test_experts_by_skill_and_the_best_aggregator() -> None:
    team = fitted(pool())
    values = team.method.found().values
    assert values["skills"] == ["arithmetic", "spelling"] and values["aggregator"] == 1
    for question, expert, letter in (("sum 99", "sums", "A"), ("spell 99", "letters", "B")):
        reply = ask(team, question)
        assert reply.note["experts"] == [expert] * 3 and reply.reading == letter
        assert reply.usage.calls == 5 + 3 + 1


def test_answers_do_not_depend_on_what_else_is_asked() -> None:
    team = fitted(pool())
    alone = [ask(team, q).note["experts"] for q in ("sum 7", "odd 1", "odd 2")]

    async def batch() -> list[list[str]]:
        return [r.note["experts"] for [r] in await asyncio.gather(*(team.generate(asked(q)) for q in ("odd 2", "sum 7", "odd 1")))]
    two, one, three = asyncio.run(batch())
    assert alone == [one, three, two]


def test_without_a_known_skill_experts_are_drawn_at_random() -> None:
    team = fitted(pool())
    drawn = [name for i in range(20) for name in ask(team, f"odd {i}").note["experts"]]
    assert ask(team, "odd 1").note["skills"] == [] and 15 < drawn.count("sums") < 45


def test_a_named_aggregator_is_taken() -> None:
    other = Scripted("other", ["D"])
    team = Team(SymbolicMoe(), pool(), tagger=tagger(), aggregator=other).fit_sync(DEV)
    assert team.method.found().values["aggregator"] == -1 and ask(team, "sum 3").reading == "D"


def test_failures() -> None:
    healthy = fitted(pool()).method

    def team(*members: Scripted) -> Team:
        return Team(healthy, list(members), tagger=down("tagger"))
    reply = ask(team(pool()[0], down("letters")), "sum 3")
    assert reply.text in ("A", "C") and {a.member for a in reply.absent} >= {"letters"}
    only_fusing = Scripted("letters", lambda r, d: "B" if r.form == "answer" else None)
    assert ask(team(down("sums"), only_fusing), "odd 5").reading == "B"


def test_who_the_members_are_is_checked_and_fitting_comes_first() -> None:
    healthy = fitted(pool()).method
    with pytest.raises(TeamError, match="fitted for the members sums, letters"):
        Team(healthy, pool()[::-1])
    with pytest.raises(TeamError, match="must be fitted"):
        ask(Team(SymbolicMoe(), pool()), "sum 1")
    with pytest.raises(ConfigError, match="no embedding"):
        SymbolicMoe(embedding="leters")


def test_members_that_never_differ() -> None:
    same = [Scripted(n, ["A"]) for n in ("a", "b")]
    assert ask(fitted(same), "sum 4").reading == "A"


def test_one_member_answers_alone() -> None:
    assert ask(fitted(pool()[:1]), "sum 3").usage.calls == 1
