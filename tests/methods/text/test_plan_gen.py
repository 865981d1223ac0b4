"""PlanGEN: which candidate wins, when the mixture stops, and what happens where nothing can be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from consilience.formula import most_calls
from consilience.methods.text.plan_gen import PlanGen
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def planner(first: str = "A", limits: str = "- short\n- right") -> Scripted:
    return Scripted("planner", lambda request, draw: limits if request.stage == "constraints" else first)


def rater(rule: Callable[[str], str]) -> Scripted:
    return Scripted("verifier", lambda request, draw: rule(request.messages[-1].content.split("<<<")[1]))


def run(members: Sequence[Scripted], verifier: Scripted, lead: Scripted | None = None, **options: Any) -> Reply:
    method = PlanGen(**options)
    team = Team(method, members, standing=[1 - i / 10 for i in range(len(members))], planner=lead or planner(), verifier=verifier)
    reply = asyncio.run(team.generate(QUESTION))[0]
    most = most_calls(method, len(members))
    assert most is not None and reply.usage.calls <= most
    return reply


def test_the_first_of_the_best_rated_candidates_wins() -> None:
    writer = Scripted("a", [f"try {i}: the answer is {x}." for i, x in enumerate("ABCDB")])
    scores = dict(zip([f"try {i}" for i in range(5)], (10, 90, 40, -5, 90), strict=True))
    verifier = rater(lambda text: f"Score: {next(s for name, s in scores.items() if name in text)}")
    reply = run([writer], verifier, search="best-of-n")
    assert reply.text is not None and reply.text.startswith("try 1") and reply.note["reward"] == 90
    assert reply.usage.calls == 1 + 5 + 5 and "- short\n- right\n" in verifier.prompts[0] and writer.asked[0].sampling.temperature == .7


@pytest.mark.parametrize("letters", ["AAAAC", "CAAAA", "ABDAB", "AACCB"])
def test_with_a_perfect_verifier_one_right_candidate_is_enough(letters: str) -> None:
    writer = Scripted("a", [f"The answer is {x}." for x in letters])
    reply = run([writer], rater(lambda text: "Score: 100" if "is C" in text else "Score: -100"), search="best-of-n")
    assert (reply.reading == "C") == ("C" in letters)


def test_the_mixture_stops_at_a_reward_that_is_enough() -> None:
    writer = Scripted("a", ["The answer is C."])
    assert [*run([writer], rater(lambda text: "Score: 95")).note["runs"]] == ["best-of-n"]
    runs = run([writer], rater(lambda text: "Score: 94")).note["runs"]
    assert set(runs) == {"best-of-n", "tree", "rebase"} and all(len(told) == 1 for told in runs.values())
    assert [*run([writer], rater(lambda text: "Score: 99"), planner("C")).note["runs"]] == ["rebase"]


def stepper(letter: str) -> Callable[[Request, int], Answer]:
    """Two steps, then the answer with its mark; each step says by whom and which it is."""
    def answer(request: Request, draw: int) -> Answer:
        done = request.messages[-1].content.count("<<<")
        return f"step {done} {letter}" if done < 2 else f"so\nFinal answer: {letter}"
    return answer


@pytest.mark.parametrize("search", ["tree", "rebase"])
def test_steps_are_written_from_the_best_beginnings(search: str) -> None:
    members = [Scripted(x, stepper(x)) for x in "ABC"]
    reply = run(members, rater(lambda text: "Score: 80" if "0 B" in text else "Score: -80"), search=search, depth=4)
    assert reply.text == "B" or "step 0 B" in "".join(members[0].prompts + members[2].prompts)
    late = [p for m in members for p in m.prompts if "step 1" in p]
    assert late and all("step 0 B" in p for p in late), "only the rated beginning is gone on with"


@pytest.mark.parametrize("search", ["tree", "rebase"])
def test_plans_that_never_end_are_finished_at_the_depth_limit(search: str) -> None:
    writer = Scripted("a", lambda request, draw: "The answer is D." if request.stage != "step" else "hm, go on")
    reply = run([writer], rater(lambda text: "Score: 5"), search=search)
    assert reply.reading == "D" and reply.note["reward"] == 5 and "hm, go on" in writer.prompts[-1]


def test_without_a_readable_verdict_a_vote_answers_after_one_search() -> None:
    members = [Scripted(n, [f"The answer is {x}."]) for n, x in zip("abc", "BAA", strict=True)]
    reply = run(members, Scripted("verifier", ["fine"]), candidates=3)
    assert reply.reading == "A" and list(reply.note["runs"]) == ["best-of-n"] and reply.note["reward"] is None
    assert run(members, down("verifier"), down("planner"), candidates=3).reading == "A"


def test_an_unread_verdict_never_beats_a_bad_one() -> None:
    writer = Scripted("a", ["The answer is A.", "The answer is B."])
    reply = run([writer], rater(lambda text: "?" if "is A" in text else "Score: -90"), search="best-of-n", candidates=2)
    assert reply.reading == "B"


def test_candidates_that_nobody_can_read_leave_the_plain_question() -> None:
    writer = Scripted("a", lambda request, draw: "hm" if request.sampling.temperature == .7 else "The answer is D.")
    team = Team(PlanGen(), [writer], planner=planner(), verifier=rater(lambda text: "Score: 99"))
    assert asyncio.run(team.generate(QUESTION.sampled(temperature=.2)))[0].reading == "D"
