"""Router-R1: calls, replies, answers, and what happens to a router that does not keep to the protocol."""

from __future__ import annotations

import asyncio
from typing import Any

from consilience.methods.route.router_r1 import RouterR1
from consilience.reading import Number
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted, down

QUESTION = Request.of("How many?", form="answer", format=Number())


def router(*turns: str) -> Scripted:
    """Says one turn after the other, whatever it hears."""
    return Scripted("router", lambda request, draw: turns[min(len(request.messages) // 2, len(turns) - 1)])


def run(one: Scripted, *members: Scripted, **options: Any) -> Reply:
    members = members or (Scripted("alpha", ["it is 40"]), Scripted("beta", ["and 2"]))
    team = Team(RouterR1(**options), members, router=one, standing=tuple(range(len(members))))
    return asyncio.run(team.generate(QUESTION))[0]


def heard(one: Scripted) -> list[str]:
    """What the router was told after its turns."""
    return [m.content for m in one.asked[-1].messages[2::2]]


def test_two_calls_and_an_answer() -> None:
    alpha, beta = Scripted("alpha", ["it is 40"]), Scripted("beta", ["and 2"])
    one = router("<think>ask</think><search>alpha: q1", "<search>beta: q2", "<answer>42")
    reply = run(one, alpha, beta)
    assert reply.text == "42" and reply.reading == "42" and reply.note["asked"] == ["alpha", "beta"]
    assert [m.prompts for m in (alpha, beta)] == [["q1\n\nReply briefly and to the point. If you cannot help, say so."],
                                                  ["q2\n\nReply briefly and to the point. If you cannot help, say so."]]
    assert heard(one) == ["<information>it is 40</information>", "<information>and 2</information>"]
    assert one.asked[-1].messages[1].content == "<think>ask</think><search>alpha: q1</search>"


def test_what_the_router_is_told_first() -> None:
    one = router("<answer>1")
    run(one)
    assert all(part in one.prompts[0] for part in ("How many?", "alpha: scripted alpha", "beta: scripted beta", "<search>"))
    assert one.asked[0].sampling.stop == ("</search>", "</answer>")


def test_malformed_for_ever_is_turns_and_a_forced_one_and_then_the_best() -> None:
    one = router("hm")
    reply = run(one)
    assert len(one.asked) == 5 and "now" in one.asked[-1].messages[-1].content
    assert reply.text == "and 2" and reply.note["answered"] is False and reply.usage.calls == 6


def test_calls_for_ever_are_as_many_as_the_turns() -> None:
    alpha = Scripted("alpha", ["40"])
    reply = run(router("<search>alpha: q"), alpha, Scripted("beta", ["2"]), turns=2)
    assert reply.note["asked"] == ["alpha"] * 2 and reply.text == "2"


def test_unknown_names_and_empty_questions_cost_a_turn() -> None:
    one = router("<search>zebra: q", "<search>alpha:", "<answer>7")
    reply = run(one)
    assert "There are: alpha, beta" in heard(one)[0] and heard(one)[1] == "<information></information>"
    assert reply.text == "7" and reply.note["asked"] == []


def test_an_answer_that_cannot_be_read_costs_a_turn() -> None:
    assert run(router("<answer>many</answer>", "<answer>6")).text == "6"
    assert run(router("<answer>many</answer>")).text == "and 2"


def test_an_empty_answer_is_none_and_thoughts_are_private() -> None:
    one = router("<answer></answer>", "<think><answer>9</answer></think>", "<answer>8")
    assert run(one).text == "8"


def test_failures() -> None:
    one = router("<search>alpha: q", "<answer>5")
    reply = run(one, down("alpha"), Scripted("beta", ["2"]))
    assert reply.text == "5" and "does not answer" in heard(one)[0] and reply.absent[0].member == "alpha"
    assert run(down("router")).text == "and 2"


def test_one_member_answers_alone() -> None:
    assert run(router("<answer>1"), Scripted("a", ["3"])).usage.calls == 1
