"""The sheet: kept when nobody writes a better one, cut to length, and written before answering in the variant `retrieval`."""

from __future__ import annotations

import asyncio

import pytest

from consilience.errors import ModelError
from consilience.methods.text.dynamic_cheatsheet import DynamicCheatsheet
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted


def ask(team: Team, question: str = "Which?") -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=Choice(4))))[0]


def team_of(said: Answer, memory: object = None, **options: object) -> tuple[Team, Scripted]:
    curator = Scripted("curator", [said])
    members = [Scripted(name, [f"The answer is {x}."]) for name, x in zip("abc", "BAB", strict=True)]
    return Team(DynamicCheatsheet(**options), members, memory=memory, curator=curator), curator     # type: ignore[arg-type]


def test_members_vote_by_the_sheet_and_the_curator_reads_the_answer_given() -> None:
    team, curator = team_of("Better now.\n<cheatsheet>\nTry B first. (used 1 times)\n</cheatsheet>", {"sheet": "Try A.", "solved": []})
    reply = ask(team)
    assert reply.reading == "B" and reply.usage.calls == 4
    assert all("Try A." in m.prompts[0] for m in team.members)              # type: ignore[attr-defined]
    assert all(part in curator.prompts[0] for part in ("Try A.", "Which?", "The answer is B.", "(used N times)", "</cheatsheet>"))
    assert team.memory == {"sheet": "Try B first. (used 1 times)", "solved": []}
    ask(team)
    assert "Try B first." in team.members[0].prompts[1]                     # type: ignore[attr-defined]


@pytest.mark.parametrize("said", [ModelError("gone", reason="down"), None, "Try C.", "<cheatsheet>cut", "<cheatsheet> </cheatsheet>"])
def test_a_curator_that_fails_leaves_the_sheet(said: Answer) -> None:
    old = {"sheet": "Try A.", "solved": []}
    team, _ = team_of(said, old)
    assert ask(team).reading == "B" and team.memory == old


def test_without_a_sheet_the_members_are_asked_the_question_alone() -> None:
    team, _ = team_of("nothing")
    ask(team)
    plain = Scripted("plain", ["A"])
    asyncio.run(plain.generate(Request.of("Which?", form="answer", format=Choice(4))))
    assert team.members[0].prompts == plain.prompts                         # type: ignore[attr-defined]


def test_a_sheet_is_cut_to_its_length() -> None:
    team, _ = team_of("<cheatsheet>one two\nthree four\nfive</cheatsheet>", words=4)
    ask(team)
    assert team.memory["sheet"] == "one two\nthree four"


def test_retrieval_writes_the_sheet_from_the_nearest_earlier_answers_and_before_answering() -> None:
    team, curator = team_of("<cheatsheet>Fruit is sweet.</cheatsheet>", variant="retrieval", similar=2)
    for question in ("Which apple?", "Which stone?", "Which apple pie?", "Which apple tree?"):
        ask(team, question)
    first, *_, last = curator.prompts
    assert "Which apple?" in first and "Which stone?\n\n" in first, "the first question has nothing to learn from"
    assert last.count("Answer given: The answer is B.") == 2 and "Question: Which apple?" in last and "Which apple pie?" in last
    assert len(curator.prompts) == 3 and "Fruit is sweet." in team.members[0].prompts[1]     # type: ignore[attr-defined]
    assert [one["question"] for one in team.memory["solved"]] == ["Which apple?", "Which stone?", "Which apple pie?", "Which apple tree?"]


def test_the_oldest_answers_go() -> None:
    team, _ = team_of("no", variant="retrieval", keep=2)
    for question in ("one?", "two?", "three?"):
        ask(team, question)
    assert [one["question"] for one in team.memory["solved"]] == ["two?", "three?"]


def test_a_sheet_that_somebody_made_too_long_is_cut() -> None:
    team, curator = team_of("no", {"sheet": "Try B.\n" * 5000, "solved": []}, words=4)
    ask(team)
    assert team.members[0].prompts[0].count("Try B.") == curator.prompts[0].count("Try B.") == 2    # type: ignore[attr-defined]
