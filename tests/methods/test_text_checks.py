"""Checks across the methods of the text level: equal members, members that echo themselves, an oracle among peers, silent
peers, and that no question's texts reach another's prompts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from consilience.method import Level
from consilience.methods.text.structured_interaction import edges
from consilience.reading import Choice, Number
from consilience.registry import method, methods
from consilience.team import Team
from consilience.types import Reply, Request, Sampling
from tests.members import Answer, Scripted
from tests.methods.test_contract import STANDING, answer, fitted, roles_for, speaker, speakers

NAMES = [name for name, cls in methods().items() if cls.level is Level.TEXT]
QUESTION = Request.of("Which of the four?", form="answer", format=Choice(4), sampling=Sampling(max_tokens=64))


def answered(name: str, members: list[Scripted], **options: Any) -> Reply:
    return asyncio.run(Team(method(name, options), members, standing=STANDING).generate(QUESTION))[0]


# -- equal members -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["A", "D"])
@pytest.mark.parametrize("name", NAMES)
def test_equal_members_give_their_answer(name: str, letter: str) -> None:
    def say(request: Request, draw: int) -> Answer:
        return {"judge": "A", "route": "A", "check": "yes"}.get(request.form or "", f"The answer is {letter}.")
    members = [Scripted("one", say)] * 3
    reply = answer(fitted(name, members), QUESTION.sampled(temperature=0.0))
    assert reply.reading == letter == Choice(4).read(reply.text or "")


# -- echoes ------------------------------------------------------------------------------------------------------------


def echoing(name: str, letter: str) -> Scripted:
    """Says the same whatever it reads; as a summariser it gives the first candidate."""
    def say(request: Request, draw: int) -> Answer:
        fields = dict(request.fields)
        return str(fields["candidates"][0]) if request.form == "fuse" else f"The answer is {letter}."
    return Scripted(name, say)


ECHOES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "multiagent-refine": ({"early_stop": False}, "multiagent-refine", {"rounds": 1}),
    "multiagent-feedback": ({"early_stop": False}, "multiagent-feedback", {"rounds": 1}),
    "multiagent-debate": ({"rounds": 3, "early_stop": False}, "majority-vote", {}),
    "structured-interaction": ({"structure": "circle", "final": "vote", "early_stop": False}, "majority-vote", {}),
    "reconcile": ({}, "majority-vote", {})}
"""Methods with options, and what they come to over first answers."""


@pytest.mark.parametrize("letters", ["AAA", "AAB", "BAA", "ABB", "ABC", "DCB"])
@pytest.mark.parametrize("name", ECHOES)
def test_members_that_echo_themselves_leave_the_first_answers(name: str, letters: str) -> None:
    options, same, first = ECHOES[name]
    members = [echoing(f"m{i}", x) for i, x in enumerate(letters)]
    assert answered(name, members, **options).text == answered(same, members, **first).text


# -- an oracle among peers ---------------------------------------------------------------------------------------------


def persuadable(name: str, letter: str, log: dict[str, str]) -> Scripted:
    """Sticks to its letter until it reads the mark of the oracle, which it then passes on."""
    def say(request: Request, draw: int) -> Answer:
        told = "".join(message.content for message in request.messages) + str(request.fields)
        log[name] = "The answer is C. MARK" if "MARK" in told else f"The answer is {letter}."
        return log[name]
    return Scripted(name, say)


def stubborn(name: str, letter: str, log: dict[str, str]) -> Scripted:
    log[name] = f"The answer is {letter}."
    return Scripted(name, [log[name]])


def convinced(name: str, kind: Callable[[str, str, dict[str, str]], Scripted], n: int = 3, oracle: int = 0, **options: Any) -> int:
    """How many of `n` members say the oracle's answer in the end."""
    log: dict[str, str] = {}
    members = [Scripted("oracle", ["The answer is C. MARK"]) if i == oracle else kind(f"m{i}", "ABD"[i % 3], log) for i in range(n)]
    made = method(name, {"early_stop": False, **options} if name not in ("reconcile", "mixture-of-agents") else options)
    last = {role.name: Scripted("last", ["The answer is C."]) for role in made.roles}
    asyncio.run(Team(made, members, **last).generate(QUESTION))
    return 1 + sum("MARK" in text for text in log.values())


def reach(readers: list[list[int]], source: int) -> int:
    """Steps until everybody has read the source."""
    known, steps = {source}, 0
    while len(known) < len(readers):
        known, steps = known | {j for j, sources in enumerate(readers) if known & set(sources)}, steps + 1
    return steps


@pytest.mark.parametrize("oracle", range(5))
@pytest.mark.parametrize("shape", ["chain", "tree", "star", "circle", "complete", "wheel"])
def test_an_oracle_convinces_a_graph_in_as_many_rounds_as_it_is_wide(shape: Any, oracle: int) -> None:
    steps = reach(edges(shape, 5), oracle)
    told: dict[str, Any] = {"n": 5, "oracle": oracle, "structure": shape}
    assert convinced("structured-interaction", persuadable, rounds=steps + 1, **told) == 5
    assert convinced("structured-interaction", persuadable, rounds=steps, **told) < 5
    assert convinced("structured-interaction", stubborn, rounds=steps + 1, **told) == 1


@pytest.mark.parametrize(("name", "options"), [
    ("multiagent-refine", {"rounds": 2}), ("multiagent-feedback", {"rounds": 2}), ("multiagent-debate", {"rounds": 2}),
    ("reconcile", {"rounds": 1}), ("mixture-of-agents", {"layers": 3})])
def test_an_oracle_convinces_whom_it_reaches_and_nobody_stubborn(name: str, options: dict[str, Any]) -> None:
    for oracle in range(3):
        assert convinced(name, persuadable, oracle=oracle, **options) == 3
        assert convinced(name, stubborn, oracle=oracle, **options) == 1


# -- silent peers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [0, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_among_silent_peers_the_one_who_speaks_answers(name: str, live: int) -> None:
    healthy = fitted(name, speakers())
    members = [speaker(m.name, "ABC"[i], i + 1, None if i == live else [""]) for i, m in enumerate(speakers())]
    reply = answer(Team(healthy.method, members, standing=STANDING, **roles_for(healthy.method)), QUESTION)
    assert reply.reading == "ABC"[live]


ONE_ANSWERS = {"agent-reinforce", "atom-of-thoughts", "blackboard", "ceo-discussion", "cochain", "insight-to-solve", "knowledge-card",
               "meta-prompting", "metagpt", "self-collaboration", "self-consistency", "solo-performance", "standard-procedure",
               "thought-mani"}
"""Methods in which one member alone is asked for the answer; where it cannot be read, nobody else has given one."""


@pytest.mark.parametrize("live", [0, 1, 2])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ONE_ANSWERS])
def test_what_cannot_be_read_never_wins_over_what_can(name: str, live: int) -> None:
    healthy = fitted(name, speakers())
    members = [speaker(m.name, "ABC"[i], i + 1, None if i == live else ["hm"]) for i, m in enumerate(speakers())]
    reply = answer(Team(healthy.method, members, standing=STANDING, **roles_for(healthy.method)), QUESTION)
    assert reply.reading == "ABC"[live]


EQUAL = ["It is 0.5.", "The answer is 1/2.", "50%", "The answer is 7.", "That makes 7."]


@pytest.mark.parametrize("name", ["majority-vote", "fusion-of-n", "reconcile", "multiagent-debate", "abstractions-first", "dynamic-cheatsheet"])
def test_equal_answers_count_as_equal_however_they_are_worded(name: str) -> None:
    members = [Scripted(f"m{i}", [text]) for i, text in enumerate(EQUAL)]
    [reply] = asyncio.run(Team(method(name), members).generate(QUESTION.having(format=Number())))
    assert reply.reading is not None and float(reply.reading) == 0.5


# -- prompts -----------------------------------------------------------------------------------------------------------


def marking(letter: str, said: dict[str, list[str]]) -> Callable[[Request, int], Answer]:
    """Marks its texts by the question of now, the last in `said`, and refuses prompts with marks of another but dev."""
    def say(request: Request, draw: int) -> Answer:
        now = list(said)[-1]
        told = "".join(message.content for message in request.messages) + str(request.fields)
        marks = re.findall(r"mark-\w+-\d+", told)
        assert {mark.split("-")[1] for mark in marks} <= {"dev", now}, f"{now}: {marks}"
        said[now].append(f"mark-{now}-{len(said[now])}")
        return {"judge": "A", "route": "B", "check": "no"}.get(
            request.form or "", f"{said[now][-1]}: the answer is {letter}.\nConfidence: 0.9")
    return say


def ask_two(name: str, ask: Callable[[Team, Request], Any]) -> None:
    said: dict[str, list[str]] = {"dev": []}
    team = fitted(name, [speaker(x, x, i + 1, marking(x.upper(), said)) for i, x in enumerate("abc")])
    for now in ("one", "two"):
        said[now] = []
        ask(team, QUESTION.having(messages=Request.of(f"Which of the four, {now}?").messages))
        assert said[now]


@pytest.mark.parametrize("name", NAMES)
def test_no_text_of_one_question_reaches_the_prompts_of_another(name: str) -> None:
    ask_two(name, answer)


def test_a_memory_is_what_carries_texts_from_one_question_to_another() -> None:
    with pytest.raises(AssertionError, match="two: .*mark-one"):
        ask_two("xolver", lambda team, request: asyncio.run(team.generate(request)))
