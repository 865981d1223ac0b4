"""Atom of Thoughts: one contraction, what each call sees, who is believed."""

from __future__ import annotations

import asyncio

from consilience.methods.text.atom_of_thoughts import AtomOfThoughts
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("The original riddle?", form="answer", format=Choice(4))


def model(direct: str = "A", contracted: str = "B", fused: str = "B", depends: str = "2: 1", simpler: str = "The simple one?") -> Scripted:
    def answer(request: Request, draw: int) -> Answer:
        text = request.messages[-1].content
        if request.form == "fuse":
            return f"The answer is {fused}."
        if "Break it down" in text:
            return "1. What is it? -> a thing\n2. And then? -> another"
        if "need the answers" in text:
            return depends
        if "one shorter question" in text:
            return simpler
        return f"The answer is {contracted if 'simple' in text else direct}."
    return Scripted("m", answer)


def run(one: Scripted, **options: int) -> Reply:
    return asyncio.run(Team(AtomOfThoughts(**options), [one]).generate(QUESTION))[0]


def test_one_contraction_has_six_calls_and_forgets_the_original() -> None:
    one = model()
    reply = run(one)
    assert reply.reading == "B" and reply.usage.calls == 6
    simple = [p for p in one.prompts if p.startswith("The simple one?")]
    assert len(simple) == 1 and "original riddle" not in simple[0]
    contract = next(p for p in one.prompts if "one shorter question" in p)
    assert "What is it? -> a thing" in contract and "And then?" in contract and "another" not in contract


def test_the_answer_that_agrees_with_the_judge_is_given() -> None:
    assert run(model(direct="A", contracted="B", fused="A")).reading == "A"
    assert run(model(direct="A", contracted="B", fused="C")).reading == "C", "neither: the judge's own"
    assert run(model(direct="A", contracted="A", fused="A")).text == "The answer is A."


def test_it_ends_when_there_is_nothing_to_contract() -> None:
    assert run(model(depends="none")).usage.calls == 3
    assert run(model(depends="1: 2\n2: 1")).usage.calls == 3, "needs in a circle"
    assert run(model(simpler=" ")).usage.calls == 4


def test_contractions_go_on_while_they_help() -> None:
    reply = run(model(), depth=2)
    assert reply.usage.calls == 11 and reply.reading == "B"
