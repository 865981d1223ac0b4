"""MAgICoRe: easy questions cost their samples, hard ones are refined."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consilience.errors import ModelError, TeamError
from consilience.methods.text.magicore import Magicore
from consilience.model import Model
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted
from tests.methods.questions import split

DEV = split([("easy one", "A"), ("easy two", "A"), ("hard one", "E")], options=5)
HARD = Request.of("hard riddle?", form="answer", format=Choice(5))
EASY = HARD.having(messages=Request.of("easy riddle?").messages)


def solver(repaired: str = "The answer is E. good") -> Scripted:
    def solve(request: Request, draw: int) -> Answer:
        text = request.messages[-1].content
        if "Do not write a new solution" in text:
            return f"review of {text.split('The answer is ')[1][0]}"
        if "mistakes repaired" in text:
            return repaired if "review of B" in text else "The answer is D."
        return f"The answer is {'ABCD'[draw % 4]}." if "hard" in text else "The answer is A. good"
    return Scripted("m", solve)


def scores(text: str) -> float:
    return 4.0 if "good" in text else -2.0


def fitted(member: Scripted, process: Model | None = None, **options: Any) -> Team:
    verifier = Scripted("v", [""], scores=scores)
    roles: dict[str, Model] = {"verifier": verifier} | ({"process": process} if process else {})
    return Team(Magicore(**options), [member], **roles).fit_sync(DEV)


def ask(team: Team, request: Request) -> Reply:
    return asyncio.run(team.generate(request))[0]


def generated(reply: Reply) -> int:
    return sum(part.usage.calls for part in reply.parts if part.asked != "verify")


def test_an_easy_question_costs_its_samples_only() -> None:
    reply = ask(fitted(solver()), EASY)
    assert reply.reading == "A" and generated(reply) == 4 and reply.note["refined"] == 0


def test_a_planted_refinement_with_a_high_reward_wins_a_hard_one() -> None:
    member = solver()
    reply = ask(fitted(member), HARD)
    assert reply.reading == "E" and generated(reply) == 4 + 2 * 4 and reply.note["refined"] == 1
    reviews = [p for p in member.prompts if "Do not write a new solution" in p]
    assert len(reviews) == 4 and all("(score 1/10)" in p for p in reviews)


def test_refining_goes_on_while_it_is_hard() -> None:
    stuck = solver(repaired="The answer is C.")
    reply = ask(fitted(stuck, iterations=3), HARD)
    assert reply.note["refined"] == 3 and generated(reply) == 4 + 3 * 8 and reply.reading in "ABCD"


def test_steps_are_rated_by_the_process_model() -> None:
    member, process = solver(), Scripted("p", [""], scores=lambda text: 2.0 if "good" in text else -1.0)
    reply = ask(fitted(member, process, steps=3), HARD)
    assert reply.reading == "E" and any("(score 3/10)" in p for p in member.prompts)
    with pytest.raises(TeamError, match="process"):
        fitted(solver(), process)
    with pytest.raises(TeamError, match="steps"):
        fitted(solver(), steps=2)


def test_without_scores_the_majority_answers() -> None:
    team = fitted(solver())

    def fail(text: str) -> float:
        raise ModelError("gone", reason="down")
    broken = Team(team.method, team.members, standing=team.standing, verifier=Scripted("v", [""], scores=fail))
    reply = ask(broken, EASY)
    assert reply.reading == "A" and reply.note["fallback"] and [a.member for a in reply.absent] == ["v"]
