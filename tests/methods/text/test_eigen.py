"""Eigen-1: stages, ratings, anchors, the selector."""

from __future__ import annotations

import asyncio

import pytest

from consilience.methods.text.eigen import PASS, Eigen, quality
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


@pytest.mark.parametrize(("text", "q"), [("4 2 5", 3.0), ("4, 3, 2: fine", 3.0), ("5 1 5", 2.6), ("9 9 9", 5.0), ("good", 0.0), ("3 4", 0.0),
                                          ("Logic: 4/5, answer: 2/5, explanation: 5/5", 3.0), ("Logic (0-5): 4\nAnswer (0-5): 3\nExplanation (0-5): 2. Fine.", 3.0)])
def test_quality_of_the_catalogue(text: str, q: float) -> None:
    assert quality(text) == pytest.approx(q)
    assert (quality(text) >= PASS - 1e-9) == (q >= 3)


def solver(name: str, letter: str) -> Scripted:
    """Says its letter, with the stage that it is asked in."""
    def answer(request: Request, draw: int) -> Answer:
        text = request.messages[-1].content
        stage = "repaired" if request.form == "refine" else "checked" if "Check it step by step" in text else "first"
        return f"The answer is {letter}. {stage} by {name}"
    return Scripted(name, answer)


def run(members: list[Scripted], rating: str = "5 5 5", pick: str | None = None, **options: int) -> tuple[Reply, Scripted, Scripted]:
    def select(request: Request, draw: int) -> Answer:
        shown = request.messages[-1].content
        return next((x for x in "ABCD" if pick and f"{x}) <<<\n{pick}" in shown), "no idea")
    judge, selector = Scripted("judge", [rating]), Scripted("selector", select)
    return asyncio.run(Team(Eigen(**options), members, judge=judge, selector=selector).generate(QUESTION))[0], judge, selector


def test_each_is_the_anchor_that_the_others_repair_and_one_is_selected() -> None:
    members = [solver(x, x.upper()) for x in "abc"]
    reply, judge, _ = run(members, pick="The answer is B.")
    assert reply.text == "The answer is B. repaired by b" and reply.usage.calls == 3 + 3 + 3 + 3 + 1
    for member in members:
        anchor = dict(next(r for r in member.asked if r.form == "refine").fields)
        assert f"checked by {member.name}" in str(anchor["answer"]) and len(anchor["peers"]) == 2
        assert f"by {member.name}" not in str(anchor["peers"])
    assert all("repaired" in prompt for prompt in judge.prompts)


def test_weak_answers_are_checked_again_with_the_advice() -> None:
    members = [solver(x, x.upper()) for x in "abc"]
    reply, judge, _ = run(members, rating="1 1 1 look at the units", pick="The answer is A.", tries=1)
    assert reply.usage.calls == 3 * 3 + 3 + 3 + 1, "no rating after the last pass, since nothing would follow from it"
    assert "look at the units" in members[0].prompts[-1]


def test_without_a_choice_a_vote_answers() -> None:
    reply, _, _ = run([solver("a", "A"), solver("b", "B"), solver("c", "B")])
    assert reply.reading == "B"


def test_alone_there_is_nothing_to_select() -> None:
    reply, _, selector = run([solver("a", "A")])
    assert reply.reading == "A" and not selector.asked
