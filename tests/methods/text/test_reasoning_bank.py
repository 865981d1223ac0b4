"""Lessons from successes, failures and comparisons; at most so many; none without a verdict."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consilience.errors import ModelError
from consilience.methods.text.reasoning_bank import ReasoningBank
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

FIVE = "\n".join(f"Title: T{i}\nDescription: d\nContent: c{i}" for i in range(5))


def ask(team: Team, question: str = "Which apple?") -> Reply:
    return asyncio.run(team.generate(Request.of(question, form="answer", format=Choice(4))))[0]


def team_of(verdict: Answer, said: Answer = FIVE, answers: str = "BAB", **options: Any) -> tuple[Team, Scripted, Scripted]:
    judge, extractor = Scripted("judge", [verdict]), Scripted("extractor", [said])
    members = [Scripted(name, [f"The answer is {x}."]) for name, x in zip("abc", answers, strict=True)]
    return Team(ReasoningBank(**options), members, judge=judge, extractor=extractor), judge, extractor


def test_the_judge_names_the_best_attempt_and_the_attempts_are_compared() -> None:
    found = set()
    for letter in "AB":
        team, judge, extractor = team_of(letter)
        reply = ask(team)
        found.add(reply.reading)
        assert reply.usage.calls == 5 and reply.note["went"] == "compared" and "A) <<<" in judge.prompts[0]
        assert "Compare them" in extractor.prompts[0] and extractor.prompts[0].count("The answer is") == 2
        [experience] = team.memory["experiences"]
        assert experience["went"] == "compared" and [x["title"] for x in experience["lessons"]] == ["T0", "T1", "T2"]
    assert found == {"A", "B"}
    team, *_ = team_of("hm")
    assert ask(team).reading == "B", "without the judge's word the vote's"


@pytest.mark.parametrize(("verdict", "went", "told"), [("yes", "well", "held to be right"), ("no", "badly", "how to prevent")])
@pytest.mark.parametrize("options", [{"scaling": "none"}, {"answers": "BBB"}])
def test_one_attempt_is_judged(verdict: str, went: str, told: str, options: dict[str, Any]) -> None:
    team, _, extractor = team_of(verdict, **options)
    reply = ask(team)
    assert reply.note["went"] == went and told in extractor.prompts[0] and team.memory["experiences"][0]["went"] == went


@pytest.mark.parametrize("verdict", ["perhaps", None, ModelError("gone", reason="down")])
def test_without_a_verdict_nothing_is_learned(verdict: Answer) -> None:
    team, _, extractor = team_of(verdict, scaling="none")
    assert ask(team).reading == "B" and team.memory == {"experiences": []} and not extractor.prompts


@pytest.mark.parametrize("said", ["hm", None, ModelError("gone", reason="down"), "Title: only half"])
def test_an_extractor_that_fails_leaves_the_bank(said: Answer) -> None:
    team, *_ = team_of("yes", said, scaling="none")
    assert ask(team).reading == "B" and team.memory == {"experiences": []}


def test_checks_go_on_from_the_last_version() -> None:
    answers = iter(["The answer is A.", "The answer is B.", "hm", "The answer is C."])
    solver = Scripted("solver", lambda request, draw: next(answers))
    judge, extractor = Scripted("judge", ["yes"]), Scripted("extractor", [FIVE])
    team = Team(ReasoningBank(scaling="sequential", checks=3), [solver], judge=judge, extractor=extractor)
    reply = ask(team)
    assert reply.reading == "C" and reply.usage.calls == 6
    assert ["answer is A" in solver.prompts[1], "answer is B" in solver.prompts[2], "answer is B" in solver.prompts[3]] == [True] * 3
    assert extractor.prompts[0].count("The answer is") == 3, "a check that cannot be read is left out"


def test_the_lessons_of_the_likest_question_are_shown() -> None:
    team, *_ = team_of("yes", "Title: Fruit\nDescription: d\nContent: sweet", scaling="none", retrieved=1)
    ask(team, "Which apple?")
    team.memory = {"experiences": [*team.memory["experiences"], {"question": "Which stone?", "went": "well", "lessons": [
        {"title": "Stone", "description": "d", "content": "hard"}]}]}
    shown = team.members[0].prompts                                         # type: ignore[attr-defined]
    ask(team, "Which apple tree?")
    assert "Fruit: d\nsweet" in shown[-1] and "Stone" not in shown[-1]
    ask(team, "Which grey stone?")
    assert "Stone: d\nhard" in shown[-1] and "Fruit" not in shown[-1]
