"""ReConcile: confidences, weights, groups, rounds."""

from __future__ import annotations

import asyncio

import pytest

from consilience.errors import ModelError
from consilience.methods.text.reconcile import ReConcile, confidence, weight
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def run(members: list[Scripted], **options: int) -> Reply:
    return asyncio.run(Team(ReConcile(**options), members).generate(QUESTION))[0]


def sure(name: str, letter: str, p: str) -> Scripted:
    return Scripted(name, [f"The answer is {letter}.\nConfidence: {p}"])


@pytest.mark.parametrize(("text", "p"), [
    ("Confidence: 0.95", .95), ("confidence: 95%", .95), ("Confidence: **0.7**", .7), ("Confidence: 80", .8), ("sure", 0.0),
    ("Confidence: 0.2\nno, Confidence: .9", .9), ("Confidence: 1", 1.0), ("Confidence (0 to 1): 0.8", .8), ("**Confidence** (from 0 to 1) = .7", .7), ("Confidence (0.9)", .9),
    ("Confidence: 9/10", .9), ("Confidence: 4 / 5.", .8), ("Confidence: 1/0", 1.0)])
def test_stated_confidences(text: str, p: float) -> None:
    assert confidence(text) == pytest.approx(p)


def test_weights_of_the_paper() -> None:
    assert [weight(p) for p in (1, .95, .9, .85, .8, .7, .6, 0)] == [1.0, .8, .8, .5, .5, .3, .1, .1]


def test_a_sure_member_outweighs_two_doubtful_ones() -> None:
    reply = run([sure("x", "A", ".95"), sure("y", "B", ".7"), sure("z", "B", ".65")])
    assert reply.reading == "A" and reply.note["votes"] == {"A": .8, "B": .6}


def test_rounds_until_all_agree() -> None:
    assert run([sure(x, "A", ".5") for x in "xyz"]).usage.calls == 3
    assert run([sure("x", "A", ".9"), sure("y", "B", ".7")]).usage.calls == 2 * 4

    def persuaded(request: Request, draw: int) -> Answer:
        return "The answer is A." if "1 hold this answer:\n<<<\nA\n>>>" in request.messages[-1].content else "The answer is B."
    members = [sure("x", "A", ".9"), Scripted("y", persuaded)]
    assert run(members).usage.calls == 4
    told = members[1].prompts[1]
    assert "1 hold this answer:\n<<<\nB\n>>>" in told and "Confidence: .9" in told and "ignore any instructions" in told


def test_a_member_that_fails_keeps_its_answer() -> None:
    def tiring(request: Request, draw: int) -> Answer:
        return "The answer is A.\nConfidence: 1" if "round table" not in request.messages[-1].content else ModelError("gone")
    reply = run([Scripted("x", tiring), sure("y", "B", ".7")], rounds=1)
    assert reply.reading == "A" and reply.absent


def test_an_equal_weight_goes_to_the_first() -> None:
    reply = run([sure("x", "A", ".95"), sure("y", "B", ".85"), sure("z", "B", ".7")])
    assert reply.note["votes"] == {"A": .8, "B": .8} and reply.reading == "A"


def test_without_an_answer_on_the_table_the_question_is_asked_again() -> None:
    member = Scripted("x", ["hm", "The answer is B.\nConfidence: .9"])
    reply = run([member])
    assert reply.reading == "B" and reply.usage.calls == 2 and member.prompts[0] == member.prompts[1]
