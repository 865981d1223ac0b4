"""Cochain: what fitting learns, what a question is told, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from consilience.methods.text.cochain import Cochain
from consilience.methods.text.debate import MultiagentDebate
from consilience.reading import Choice
from consilience.team import Team, run_sync
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down
from tests.methods.questions import split

DEV = split([("Which metal has the valve?", "A"), ("How hot is brass soldered?", "B"), ("Who sells the pump?", "C")])
TOLD = {"valve": "Fact: valve | is made of | brass\nAdvice: look at the metal.", "soldered": "Fact: brass | is soldered at | 450\nAdvice: mind the heat."}
QUESTION = Request.of("How hot may the valve be?", form="answer", format=Choice(4))


def extractor() -> Scripted:
    def answer(request: Request, draw: int) -> Answer:
        return next((said for word, said in TOLD.items() if word in request.question.split("An answer that")[0]), "nothing")
    return Scripted("extractor", answer)


def member(name: str, script: Callable[[Request], str] = lambda request: "The answer is D.", right: str = "AB") -> Scripted:
    def answer(request: Request, draw: int) -> Answer:
        letters = {"Which metal has the valve?": "A", "How hot is brass soldered?": "B", "Who sells the pump?": "C"}
        letter = letters.get(request.question, "")
        return f"The answer is {letter if letter in right else 'D'}." if letter else script(request)
    return Scripted(name, answer)


def fitted(members: list[Scripted], reader: Scripted, **options: Any) -> Team:
    method = Cochain(**options)
    cast = Team(method, members, standing=[1.0] * len(members), extractor=reader).cast
    return Team(run_sync(method.fit(DEV, cast)), members, standing=[1.0] * len(members), extractor=reader)


def ask(team: Team) -> Reply:
    return asyncio.run(team.generate(QUESTION))[0]


def test_facts_come_from_right_answers_alone() -> None:
    reader = extractor()
    team = fitted([member("a"), member("b", right="A")], reader)
    assert team.method.learned is not None and len(reader.asked) == 2, "nobody knew who sells the pump"
    assert [row[:3] for row in team.method.learned.values["facts"]] == [["valve", "is made of", "brass"], ["brass", "is soldered at", "450"]]
    assert "The answer is A." in reader.prompts[0] and not any("pump" in prompt for prompt in reader.prompts)


def test_one_call_with_the_slice_of_the_graph() -> None:
    members = [member("a"), member("b")]
    team = fitted(members, extractor())
    members[0].prompts.clear()
    reply = ask(team)
    assert reply.reading == "D" and reply.usage.calls == 1 and reply.note == {"facts": 2, "advice": 1}
    assert "- valve | is made of | brass" in members[0].prompts[-1] and "- brass | is soldered at | 450" in members[0].prompts[-1]
    one_hop = fitted([member("a")], extractor(), hops=1)
    assert ask(one_hop).note["facts"] == 1


def test_tokens_stay_below_a_debate_of_the_same_members() -> None:
    members = [member(x) for x in "abc"]
    debate = ask(Team(MultiagentDebate(), [member(x, lambda request, x=x: f"The answer is {x.upper()}.") for x in "abc"]))  # type: ignore[misc]
    own = ask(fitted(members, extractor()))
    assert own.usage.prompt_tokens + own.usage.completion_tokens < debate.usage.prompt_tokens + debate.usage.completion_tokens


def test_a_checked_answer_takes_two_calls() -> None:
    script = lambda request: "The answer is B." if request.stage == "check" else "The answer is D."  # noqa: E731
    reply = ask(fitted([member("a", script)], extractor(), checked=True))
    assert reply.reading == "B" and reply.usage.calls == 2


@pytest.mark.parametrize("check", [False, True])
def test_what_cannot_be_read_with_notes_is_asked_plainly(check: bool) -> None:
    asked = member("a", lambda request: "The answer is C." if request.form == "answer" else "hm")
    reply = ask(fitted([asked], extractor(), checked=check))
    assert reply.reading == "C" and reply.usage.calls == 2


@pytest.mark.parametrize("reader", [Scripted("extractor", ["no idea"]), down("extractor"), Scripted("extractor", [""])])
def test_without_notes_the_plain_question_is_asked(reader: Scripted) -> None:
    members = [member("a")]
    reply = ask(fitted(members, reader))
    assert reply.reading == "D" and reply.usage.calls == 1 and members[0].asked[-1].form == "answer"


def test_a_plain_answer_that_cannot_be_read_goes_on_to_the_next() -> None:
    first, second = member("a", lambda request: "hm"), member("b")
    reply = ask(fitted([first, second], down("extractor")))
    assert reply.reading == "D" and reply.usage.calls == 2 and second.asked[-1].form == "answer"
