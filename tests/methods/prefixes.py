"""How much of what a member is told it was told before: the prompts of one question that begin alike."""

from __future__ import annotations

from dataclasses import dataclass
from os.path import commonprefix

from consilience.method import Level
from consilience.prompt import render
from consilience.reading import Choice
from consilience.registry import methods
from consilience.team import Team
from consilience.types import Request, Sampling
from tests.members import Answer, Scripted
from tests.methods.test_contract import STANDING, answer, fitted, roles_for, speaker

NAMES = [name for name, cls in methods().items() if cls.level is Level.TEXT]
REPORT = " ".join(f"Ship {n} came in on day {n} and paid for {n} crates." for n in range(1, 13))
QUESTION = Request.of(f"{REPORT} Which of the four is right?", form="answer", format=Choice(4), sampling=Sampling(max_tokens=64))
"""A question of 600 characters; the members answer it in about 200, each with another letter."""


@dataclass(frozen=True)
class Shared:
    """Calls of one question, the characters of all their prompts, and those with which an earlier prompt of the same member began."""

    calls: int
    told: int
    known: int

    @property
    def share(self) -> float:
        return self.known / self.told


def asked(name: str) -> list[Scripted]:
    """The members of a team of three that never agree, after one question."""
    members = [speaker(x, x.upper(), place, saying(x.upper(), place)) for place, x in enumerate("abc", 1)]
    team = fitted(name, members)
    for member in members:
        member.asked.clear()
    answer(Team(team.method, members, standing=STANDING, **roles_for(team.method)), QUESTION)
    return members


def shared(name: str) -> Shared:
    """What the calls of one question share."""
    members = asked(name)
    return Shared(sum(len(m.asked) for m in members), sum(len(text) for m in members for text in texts(m)),
                  sum(known(texts(m)) for m in members))


def saying(letter: str, place: int) -> object:
    def say(request: Request, draw: int) -> Answer:
        short = {"judge": "A", "route": "B", "check": "no"}.get(request.form or "")
        return short or f"{letter} it is, for {place} reasons. {'Each crate was paid for. ' * 6}The answer is {letter}.\nConfidence: 0.{place}"
    return say


def texts(member: Scripted) -> list[str]:
    """All that a member was told, in order, conversations with their roles."""
    return ["".join(f"[{m.role}]{m.content}" for m in render(request, member.card).messages) for request in member.asked]


def known(told: list[str]) -> int:
    """Characters that an earlier one of the texts began with."""
    return sum(max(len(commonprefix([text, old])) for old in told[:i]) for i, text in enumerate(told) if i)


def table() -> str:
    """Shares of all text methods, for the docs."""
    rows = [f"| `{name}` | {one.calls} | {one.share:.0%} |" for name in NAMES if (one := shared(name)).calls > 1]
    return "\n".join(["| method | calls | known from the beginning |", "| --- | --: | --: |", *rows])
