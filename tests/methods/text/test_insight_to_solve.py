"""Insight-to-Solve: which examples are taken, and what the solver sees of them."""

from __future__ import annotations

import asyncio

from consilience.methods.text.insight_to_solve import InsightToSolve, stripped
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted
from tests.methods.questions import split

DEV = split([("add the apples 12 and 30", "A"), ("add the pears 7 and 5", "A"), ("name the capital", "B")])


def answer(request: Request, draw: int) -> Answer:
    text = request.messages[-1].content
    if "what they share" in text:
        return "They share sums."
    if "strategies" in text:
        return "Add the tens first, as with 12 and 30; at most 3 steps."
    return "The answer is A. Worked with care."


def ask(team: Team, question: str) -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=DEV[0].request.format)))[0]


def fitted(member: Scripted, **options: bool) -> Team:
    team = Team(InsightToSolve(**options), [member]).fit_sync(DEV)
    member.prompts.clear()
    return team


def test_examples_become_insights_without_their_numbers() -> None:
    solver = Scripted("s", answer)
    team = fitted(solver)
    assert team.method.found().values["questions"] == ["add the apples 12 and 30", "add the pears 7 and 5"], "right ones alone"
    reply = ask(team, "add the apples 44 and 51")
    compare, insight, solve = solver.prompts
    assert reply.usage.calls == 3 and "12 and 30" in compare and "12 and 30" in insight and "They share sums." in insight
    assert "Worked with care" not in solve and "12" not in solve and "as with # and #" in solve and "3 steps" in solve


def test_nothing_similar_is_the_plain_question_and_never_itself() -> None:
    solver = Scripted("s", answer)
    team = fitted(solver)
    assert ask(team, "who wrote Hamlet?").usage.calls == 1
    solver.prompts.clear()
    ask(team, "add the apples 12 and 30")
    assert "add the pears" in solver.prompts[0] and solver.prompts[0].count("add the apples 12 and 30") == 1


def test_refining_costs_one_more() -> None:
    assert ask(fitted(Scripted("s", answer), refine=True), "add the apples 44 and 51").usage.calls == 4


def test_only_numbers_of_the_examples_are_struck_out() -> None:
    assert stripped("use 12, not 3.5 or 4", ["12 + 3.5"]) == "use #, not # or 4"
