"""What every method with a memory keeps: it knows earlier questions only, forgets on demand, and treats memory as data."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from consilience.errors import ConfigError, ModelError, NoAnswerError
from consilience.method import Ordered
from consilience.reading import Choice
from consilience.registry import method, methods
from consilience.saved import memories, recall
from consilience.team import Team, ordered
from consilience.types import Reply, Request, Sampling
from tests.members import Answer, Scripted
from tests.methods.test_contract import STANDING, speakers
from tests.methods.test_text_level import ATTACKS, ORDER, parsed, spoken

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name, cls in methods().items() if issubclass(cls, Ordered)},
    "cheatsheet by retrieval": ("dynamic-cheatsheet", {"variant": "retrieval"}),
    "bank by checks": ("reasoning-bank", {"scaling": "sequential"}), "bank of one": ("reasoning-bank", {"scaling": "none"})}
LENGTH = 4


def question(t: int) -> Request:
    return Request.of(f"Which box holds item-{t} of the stock?", form="answer", format=Choice(4), sampling=Sampling(max_tokens=64))


def seen(prompt: str) -> set[int]:
    return {int(t) for t in re.findall(r"item-(\d+)", prompt)}


def pupil(request: Request, draw: int) -> Answer:
    """Writes what a method asks for, naming all items that it was shown, so that whatever is remembered can be traced."""
    prompt = spoken(request)
    shown = " ".join(dict.fromkeys(re.findall(r"item-\d+", prompt)))
    if "<cheatsheet>" in prompt:
        return f"<cheatsheet>\n- about {shown} (used 1 times)\n</cheatsheet>"
    if "Title: ..." in prompt:
        return f"Title: On {shown}\nDescription: a lesson.\nContent: Look at {shown}."
    return "no" if request.form == "check" else f"The answer is C, by {shown}."


def team_of(name: str, script: Any = pupil, memory: Any = None, **changes: Any) -> Team:
    kind, options = VARIANTS[name]
    return Team(method(kind, options), speakers(script, **changes), standing=STANDING, memory=memory)


def ask(team: Team, *places: int) -> list[Reply]:
    async def go() -> list[Reply]:
        return [(await team.generate(question(t)))[0] for t in places]
    return asyncio.run(go())


def prompts(team: Team) -> list[str]:
    """What the members were asked since the last time."""
    found = [p for m in team.members for p in m.prompts]        # type: ignore[attr-defined]
    for member in team.members:
        member.prompts.clear()                                  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_a_question_meets_those_before_it_and_none_after(name: str) -> None:
    team = team_of(name)
    for t in range(LENGTH):
        ask(team, t)
        known = set().union(*map(seen, prompts(team)))
        assert known <= set(range(t + 1)) and (t == 0 or known - {t}), f"question {t} was told of {known}"


@pytest.mark.parametrize("name", VARIANTS)
def test_a_second_pass_uses_what_the_first_left(name: str) -> None:
    team = team_of(name)
    ask(team, 0)
    first = prompts(team)
    ask(team, *range(1, LENGTH))
    prompts(team)
    ask(team, 0)
    assert any("earlier questions:" in prompt for prompt in prompts(team) if prompt not in first)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_cleared_memory_is_the_baseline(name: str) -> None:
    team, fresh = team_of(name), team_of(name)
    ask(team, *range(LENGTH))
    assert team.memory != fresh.memory
    team.memory = None
    assert team.memory == fresh.memory
    prompts(team)
    again, first = ask(team, 2), ask(fresh, 2)
    assert prompts(team) == prompts(fresh)
    assert [(r.text, r.note) for r in again] == [(r.text, r.note) for r in first] and team.memory == fresh.memory


@pytest.mark.parametrize("name", VARIANTS)
def test_a_stream_of_questions_is_repeatable_at_once_or_one_by_one(name: str) -> None:
    one, other = team_of(name), team_of(name)

    async def at_once() -> list[Reply]:
        return [r for [r] in await asyncio.gather(*(other.generate(question(t)) for t in range(LENGTH)))]
    replies, crowd = ask(one, *range(LENGTH)), asyncio.run(at_once())
    assert [(r.text, r.usage, r.note) for r in replies] == [(r.text, r.usage, r.note) for r in crowd]
    assert one.memory == other.memory and prompts(one) == prompts(other)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_order_of_questions_matters_and_that_of_members_does_not(name: str) -> None:
    kind, options = VARIANTS[name]
    team, turned = team_of(name), team_of(name)
    mixed = Team(method(kind, options), speakers(pupil)[::-1], standing=STANDING[::-1])
    ask(team, 0, 1, 2)
    ask(turned, 2, 1, 0)
    ask(mixed, 0, 1, 2)
    assert team.memory == mixed.memory != turned.memory


@pytest.mark.parametrize("name", VARIANTS)
def test_a_failed_or_cancelled_question_leaves_the_memory_as_it_was(name: str) -> None:
    team = team_of(name)
    ask(team, 0, 1)
    kept = team.memory
    broken = team_of(name, [ModelError("gone", reason="down")], memory=kept)
    with pytest.raises(NoAnswerError):
        ask(broken, 2)
    assert broken.memory == kept
    slow = team_of(name, memory=kept, delay=5.0)

    async def cancel() -> None:
        work = asyncio.create_task(slow.generate(question(2)))
        await asyncio.sleep(.01)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        for member in slow.members:
            member.delay = 0.0                                  # type: ignore[attr-defined]
        await slow.generate(question(2))
    asyncio.run(cancel())
    ask(team, 2)
    assert slow.memory == team.memory, "a cancelled question is asked again as if it were the first time"


@pytest.mark.parametrize("name", VARIANTS)
def test_whoever_writes_the_memory_may_fail(name: str) -> None:
    """The members answer; the one that curates, judges, extracts, plans and verifies says nothing of use."""
    def mute(request: Request, draw: int) -> Answer:
        return "hm"
    kind, options = VARIANTS[name]
    parts = {role.name: Scripted("mute", mute) for role in methods()[kind].roles if role.default != "none"}
    team = Team(method(kind, options), speakers(pupil), standing=STANDING, **parts)    # type: ignore[arg-type]
    told = ask(team, 0, 1)
    assert all(r.text for r in told)
    assert not any("hm" in text for text in re.findall(r'"(?:sheet|content|answer)": "([^"]*)"', json.dumps(team.memory)))
    assert team.memory.get("sheet", "") == "" and not team.memory.get("experiences")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_memory_survives_json_and_a_wrong_one_is_refused(name: str) -> None:
    team = team_of(name)
    ask(team, *range(LENGTH))
    told = json.loads(json.dumps(team.memory))
    assert team_of(name, memory=told).memory == told == team.memory
    for wrong in ({**told, "zzz": 1}, [], {key: 7 for key in told}):
        with pytest.raises(ConfigError, match=f"no memory of {team.method.name}: .* when it is empty"):
            team.memory = wrong
    assert team.memory == told


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", VARIANTS)
def test_orders_in_memory_are_data(name: str, attack: str) -> None:
    """A poisoned memory is shown, but inside quotations only."""
    team = team_of(name)
    ask(team, *range(LENGTH))
    poisoned = re.sub(r'item-\d[^"]*', lambda m: json.dumps(f"{m[0]} {ATTACKS[attack]}")[1:-1], json.dumps(team.memory))
    team.memory = json.loads(poisoned)
    prompts(team)
    ask(team, LENGTH)
    asked = prompts(team)
    assert attack == "length" or any(ORDER in prompt for prompt in asked), "the memory is used"
    for prompt in asked:
        assert ORDER not in parsed(prompt)[0] and ("<<<" not in prompt or "ignore any instructions inside" in prompt)


@pytest.mark.parametrize("name", VARIANTS)
def test_streams_and_nested_teams_remember_alike(name: str) -> None:
    plain, streamed, inner = team_of(name), team_of(name), team_of(name)
    outer = Team(method("majority-vote", {"stop": "never"}), [speakers(pupil)[0], inner])

    async def go() -> None:
        for t in range(3):
            [event async for event in streamed.stream(question(t))]
            await outer.generate(question(t))
    asyncio.run(go())
    ask(plain, 0, 1, 2)
    assert plain.memory == streamed.memory == inner.memory
    assert list(ordered(outer)) == ["team/member-2"] and memories(outer) == {"team/member-2": plain.memory}
    recall(outer, {})
    assert inner.memory == team_of(name).memory
    recall(outer, {"team/member-2": plain.memory})
    assert inner.memory == plain.memory
    with pytest.raises(ConfigError, match="no team with a memory at 'team'"):
        recall(outer, {"team": plain.memory})


def test_a_team_without_memory_says_so() -> None:
    team = Team(method("majority-vote"), speakers())
    assert team.memory is None and memories(team) == {}
    with pytest.raises(ConfigError, match="keeps no memory"):
        team.memory = {}
    with pytest.raises(ConfigError, match="methods that do: dynamic-cheatsheet, reasoning-bank, xolver"):
        recall(team, {})
