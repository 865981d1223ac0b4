"""An olympiad team: scores decide, ties keep the older, the past is retrieved or recalled, and each problem is kept once."""

from __future__ import annotations

import asyncio
from typing import Any

from consilience.methods.text.xolver import Xolver
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted
from tests.methods.test_text_level import spoken


def ask(team: Team, question: str = "Which apple?") -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=Choice(4))))[0]


def team_of(right: str, verifier: Answer = "hm", plan: str = "1. Poet\n2. Smith\n3. Cook\n4. Judge", **options: Any) -> Team:
    def judged(request: Request, draw: int) -> Answer:
        return "yes" if any(f"answer is {x}." in dict(request.fields)["answer"] for x in right) else "no"

    def planned(request: Request, draw: int) -> Answer:
        return plan if "roles" in spoken(request) else "A pear is a fruit."
    members = [Scripted(name, [f"The answer is {x}."]) for name, x in zip("abc", "ABC", strict=True)]
    return Team(Xolver(**options), members, judge=Scripted("judge", judged), planner=Scripted("planner", planned),
                verifier=Scripted("verifier", [verifier]))


def prompts(team: Team, place: int) -> list[str]:
    return team.members[place].prompts                                      # type: ignore[attr-defined]


def test_scores_zero_one_zero_let_the_one_win() -> None:
    team = team_of("B")
    reply = ask(team)
    assert reply.reading == "B" and reply.note["right"] == [True, True, False] and reply.note["agent"] == 2
    assert team.memory == {"solved": [{"question": "Which apple?", "answer": "The answer is B."}]}
    assert reply.usage.calls == 3 + 2 * 3 * 2
    assert ask(team_of("B", "So it is C. The answer is C.")).reading == "C", "the verifier has the last word where it can be read"


def test_ties_keep_the_older() -> None:
    assert ask(team_of("")).reading == "A" and ask(team_of("BC")).reading == "B"


def test_it_stops_when_all_that_is_shared_is_right() -> None:
    reply = ask(team_of("ABC"))
    assert reply.usage.calls == 3 + 2 * 3 and reply.note["right"] == [True] * 3


def test_agents_see_their_last_answer_and_the_best_ones() -> None:
    team = team_of("B")
    ask(team)
    first, second = prompts(team, 0)
    assert first.startswith("You are this expert: Poet.") and "held to be right" not in first
    assert "The answer is A." in second and "(agent 2, held to be right)\nThe answer is B." in second
    assert second.index("agent 2") < second.index("agent 1"), "best first"


def test_the_past_is_retrieved_or_recalled() -> None:
    team = team_of("B")
    ask(team, "Which apple?")
    assert "A pear is a fruit." in prompts(team, 0)[0], "nothing was solved before"
    ask(team, "Which red apple?")
    assert "Question: Which apple?\nAnswer given: The answer is B." in prompts(team, 0)[2] and "pear" not in prompts(team, 0)[2]
    ask(team, "Which red apple?")
    assert "Answer given" in prompts(team, 0)[4] and "Question: Which red apple?" not in prompts(team, 0)[4], "never its own entry"
    assert [one["question"] for one in team.memory["solved"]] == ["Which apple?", "Which red apple?"], "each problem once"
    silent = team_of("B", recall=False)
    assert ask(silent).usage.calls == 2 + 2 * 3 * 2 and "pear" not in prompts(silent, 0)[0]


def test_without_roles_the_first_round_is_the_plain_question() -> None:
    team = team_of("B", plan="I cannot say", recall=False)
    ask(team)
    plain = Scripted("plain", ["A"])
    asyncio.run(plain.generate(Request.of("Which apple?", form="answer", format=Choice(4))))
    assert prompts(team, 0)[0] == plain.prompts[0]


def test_few_members_play_several_agents() -> None:
    one = Scripted("one", ["The answer is A.", "The answer is B."])
    no = {name: Scripted(name, ["no"]) for name in ("judge", "planner", "verifier")}
    reply = ask(Team(Xolver(agents=2, rounds=1, recall=False), [one], **no))
    assert reply.reading == "A" and len(one.prompts) == 2, "further draws of one question"
