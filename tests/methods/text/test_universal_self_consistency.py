"""Universal self-consistency: the named answer, un-shuffled; votes where nobody names one."""

from __future__ import annotations

import asyncio

import pytest

from consilience.errors import ModelError, TeamError
from consilience.methods.text.universal_self_consistency import UniversalSelfConsistency
from consilience.reading import Choice, Free
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Free())


def run(members: list[Scripted], selector: Scripted, request: Request = QUESTION, **options: int) -> Reply:
    return asyncio.run(Team(UniversalSelfConsistency(**options), members, selector=selector).generate(request))[0]


def naming(text: str) -> Scripted:
    """A selector that names the letter under which it was shown `text`."""
    def answer(request: Request, draw: int) -> Answer:
        shown = request.messages[-1].content
        return next(x for x in "ABCDEF" if f"{x}) <<<\n{text}\n>>>" in shown)
    return Scripted("selector", answer)


def test_the_named_answer_is_given_unchanged() -> None:
    members = [Scripted(x, [f"about {x}"]) for x in "xyz"]
    for x in "xyz":
        reply = run(members, naming(f"about {x}"))
        assert reply.text == f"about {x}" and reply.usage.calls == 4


def test_one_answer_needs_no_selector() -> None:
    selector = naming("x")
    assert run([Scripted("x", ["x"])], selector).text == "x" and not selector.asked


def test_samples_of_one_member() -> None:
    reply = run([Scripted("x", ["p", "q", "r"])], naming("q"), draws=3)
    assert reply.text == "q" and reply.usage.calls == 4


@pytest.mark.parametrize("said", ["Z", "no idea", ModelError("gone", reason="down")])
def test_without_a_name_a_vote_answers(said: Answer) -> None:
    members = [Scripted("a", ["The answer is B."]), Scripted("b", ["The answer is A."]), Scripted("c", ["Answer: A"])]
    reply = run(members, Scripted("selector", [said]), QUESTION.having(format=Choice(4)))
    assert reply.reading == "A" and reply.note["selected"] is None


def test_too_many_answers_to_letter() -> None:
    with pytest.raises(TeamError, match="at most 26"):
        Team(UniversalSelfConsistency(draws=9), [Scripted(x, ["a"]) for x in "abc"])


def test_a_text_that_cannot_be_read_is_not_selected_where_others_can() -> None:
    members = [Scripted("a", ["well, well"]), Scripted("b", ["The answer is A."]), Scripted("c", ["The answer is B."])]
    selector = naming("The answer is B.")
    assert run(members, selector, QUESTION.having(format=Choice(4))).reading == "B"
    assert "well, well" not in selector.prompts[0]
    alone = run(members[:2], selector, QUESTION.having(format=Choice(4)))
    assert alone.reading == "A" and alone.usage.calls == 2, "one candidate is left"
