"""HALO: sub-tasks, roles, when it ends, and what happens without a readable plan."""

from __future__ import annotations

import asyncio

from consilience.methods.text.halo import Halo
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def planner(*jobs: str, roles: str = "- Chemist: weighs\n- Physicist: measures") -> Scripted:
    told = iter(jobs)

    def answer(request: Request, draw: int) -> Answer:
        return {"clarify": "Type: choice\nTask: pick the right letter", "plan": next(told, "Next: stop") if request.stage == "plan" else "",
                "roles": roles}[request.stage]
    return Scripted("planner", answer)


def run(members: list[Scripted], lead: Scripted, verdict: str = "success 0.9", **options: int) -> tuple[Reply, Scripted]:
    judge = Scripted("judge", [verdict])
    team = Team(Halo(**options), members, standing=[1 - i / 10 for i in range(len(members))], planner=lead, judge=judge)
    return asyncio.run(team.generate(QUESTION))[0], judge


def test_three_results_of_which_two_agree_end_the_work() -> None:
    lead = planner(*[f"Next: job {i}" for i in range(5)], roles="- Solver: solves")
    said = iter("ABA")
    members = [Scripted("a", lambda request, draw: f"The answer is {next(said)}.")]
    reply, judge = run(members, lead)
    assert reply.reading == "A" and reply.note["subtasks"] == 3 and reply.note["agreed"] and len(judge.asked) == 3
    assert reply.usage.calls == 1 + 3 * (2 + 2)


def test_when_the_planner_stops_the_last_result_is_the_answer() -> None:
    members = [Scripted("a", ["The answer is A."]), Scripted("b", ["The answer is B."])]
    reply, judge = run(members, planner("Next: weigh it", "next step: STOP."))
    assert reply.reading == "A" and reply.note == {"subtasks": 1, "agreed": False}
    assert reply.usage.calls == 1 + (2 + 2 * 2) + 1 and len(members[0].asked) == len(members[1].asked) == 1
    assert "pick the right letter" in members[0].prompts[0] and "Chemist: weighs" in members[0].prompts[0]
    assert "Physicist: measures" in members[1].prompts[0] and "weigh it" in judge.prompts[0]


def test_later_roles_read_earlier_ones_and_the_planner_reads_results() -> None:
    lead = planner("Next: weigh it")
    members = [Scripted("a", ["I weigh. The answer is A."])]
    reply, _ = run(members, lead, "continue 0.2", depth=2, acts=4, simulations=1)
    assert reply.reading == "A" and any("1. <<<\nI weigh." in prompt for prompt in members[0].prompts)
    assert "weigh it (fail): I weigh." in lead.prompts[-1] and reply.usage.calls == 1 + 2 + 2 * 4 + 1


def test_the_formula_bounds_a_planner_that_never_stops() -> None:
    letters = iter("ABCD" * 99)
    members = [Scripted("a", lambda request, draw: f"The answer is {next(letters)}.")]
    lead = planner(*["Next: go on"] * 9)
    reply, _ = run(members, lead, "continue", subtasks=3, acts=5)
    assert reply.text and reply.usage.calls <= 1 + 1 + 3 * (2 + 2 * 5) and reply.note["subtasks"] <= 3


def test_without_a_plan_a_vote_answers() -> None:
    for lead in (Scripted("planner", ["hm"]), down("planner"), Scripted("planner", [""])):
        reply, judge = run([Scripted("a", ["hm"]), Scripted("b", ["The answer is B."]), Scripted("c", ["The answer is B."])], lead)
        assert reply.reading == "B" and reply.note["subtasks"] == 0 and not judge.asked


def test_results_that_nobody_can_read_leave_the_plain_question() -> None:
    member = Scripted("a", lambda request, draw: "hm" if request.stage == "act" else "The answer is C.")
    reply, _ = run([member], planner("Next: weigh it", roles="whoever"))
    assert reply.reading == "C" and member.asked[-1].form == "answer"
