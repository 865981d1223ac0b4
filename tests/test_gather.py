"""Waves, chains and the recorded clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from consilience.errors import NoAnswerError, TeamError
from consilience.gather import Member, Members, Run, ask_all, ask_each, ask_ranked, classes, clock, together, winner
from consilience.model import Model, NextTokens
from consilience.models.recorded import recorded_models
from consilience.prompt import put
from consilience.reading import Choice
from consilience.registry import method
from consilience.team import Team
from consilience.types import Reply, Request, Scope
from tests.members import Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(3))


def bind(*models: Model, standing: tuple[float, ...] | None = None) -> Members:
    run = Run()
    scores = standing or (None,) * len(models)
    return Members(tuple(Member(m, i, run, standing=s) for i, (m, s) in enumerate(zip(models, scores, strict=True))))


def in_loop(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(work())


def test_recorded_time_follows_the_causal_path_not_the_wall() -> None:
    members = bind(Scripted("fast", ["A"], seconds=1.0, delay=0.02), Scripted("slow", ["B"], seconds=5.0))

    async def chain(member: Member) -> float:
        await member.ask(QUESTION)
        await member.ask(QUESTION)
        return clock.get()

    async def work() -> tuple[list[float], float]:
        ends = await together(chain(members[0]), chain(members[1]))
        return ends, clock.get()

    assert in_loop(work) == ([2.0, 10.0], 10.0)
    starts = [(p.model, p.started) for p in members.run.tree()]
    assert starts == [("fast", 0.0), ("slow", 0.0), ("fast", 1.0), ("slow", 5.0)]


def test_asking_again_means_the_next_draw() -> None:
    script = Scripted("a", ["A", "B", "C"])
    members = bind(script)

    async def work() -> list[str | None]:
        first = await members[0].draw(QUESTION, 2)
        return [r.text for r in [*first, await members[0].ask(QUESTION)]]

    assert in_loop(work) == ["A", "B", "C"]


def test_a_greedy_request_has_one_draw_billed_once() -> None:
    members = bind(Scripted("a", ["A", "B"]))
    replies = in_loop(lambda: members[0].draw(QUESTION.sampled(temperature=0), 3))
    assert [r.text for r in replies] == ["A", "A", "A"]
    assert len(members.run.tree()) == 1


def test_absence_is_a_value_until_nobody_is_left() -> None:
    wave = in_loop(lambda: ask_all(tuple(bind(down("a"), Scripted("b", ["B"]))), QUESTION))
    assert wave.firsts[0] is None and wave.best.text == "B"
    with pytest.raises(NoAnswerError, match="a is down"):
        in_loop(lambda: ask_all(tuple(bind(down("a"))), QUESTION))


def test_each_member_may_be_asked_something_else() -> None:
    a, b = Scripted("a", ["A"]), Scripted("b", ["B"])
    in_loop(lambda: ask_each(tuple(bind(a, b)), [QUESTION, QUESTION.having(seed=7)]))
    assert (a.asked[0].seed, b.asked[0].seed) == (0, 7)


def test_a_ranking_is_walked_down_past_failures_and_silence() -> None:
    members = bind(down("a"), Scripted("b", [""]), Scripted("c", ["C"]))
    reply = in_loop(lambda: ask_ranked(list(members), QUESTION))
    assert reply.text == "C" and reply.note["fallback"] is True
    assert [a.member for a in members.run.absent] == ["a"]


def test_the_best_is_best_on_dev_then_cheaper_then_first() -> None:
    a, b, c = Scripted("a", ["A"]), Scripted("b", ["B"]), Scripted("c", ["C"], price=None)
    assert bind(a, b).best.name == "a"
    assert bind(a, b, standing=(0.2, 0.4)).best.name == "b"
    assert bind(c, a, standing=(0.4, 0.4)).best.name == "a", "an unknown price loses a tie"


def test_unread_replies_abstain_and_ties_go_to_the_better_voter() -> None:
    members = bind(Scripted("a", ["A"]), Scripted("b", ["B"]), Scripted("c", ["?"]), standing=(0.1, 0.9, 0.5))

    async def work() -> Reply:
        wave = await ask_all(tuple(members), QUESTION)
        groups = await classes(QUESTION, wave.replies)
        assert [g.reading for g in groups] == ["A", "B"]
        return winner(groups, wave)

    assert in_loop(work).text == "B"


def test_a_missing_power_is_named() -> None:
    with pytest.raises(TeamError, match="a does not offer NextTokens"):
        bind(Scripted("a", ["A"]))[0].power(NextTokens)


def test_cancelling_a_wave_cancels_its_asks() -> None:
    members = bind(Scripted("a", ["A"], delay=30), Scripted("b", ["B"], delay=30))

    async def work() -> int:
        task = asyncio.create_task(ask_all(tuple(members), QUESTION))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(asyncio.all_tasks())

    assert in_loop(work) == 1


def test_a_mistake_of_the_users_comes_as_it_is_though_several_members_were_asked(tmp_path: Path) -> None:
    """Recorded members refuse another prompt form, each of them: one TeamError, and no group of errors around it."""
    lines = [json.dumps({"dataset": "d", "id": "1", "model": name, "prompt": "Which?", "response": "A"}) for name in ("a", "b")]
    (tmp_path / "said.jsonl").write_text("\n".join(lines))
    members = bind(*recorded_models(tmp_path / "said.jsonl"))
    with pytest.raises(TeamError, match="the question alone"):
        in_loop(lambda: ask_all(members, put(QUESTION, "refine", answer="A", peers=["B"])))
    with pytest.raises(TeamError, match="the question alone"):
        in_loop(lambda: together(*(m.ask(put(QUESTION, "check", answer="A")) for m in members)))


@pytest.mark.parametrize("name", ["majority-vote", "multiagent-refine", "mixture-of-agents", "panel", "best-of-n", "llm-blender"])
def test_where_prompts_are_wanted_the_tree_holds_what_was_really_sent_and_nothing_else_changes(name: str) -> None:
    def team() -> tuple[Team, list[Scripted]]:
        members = [Scripted(who, ["The answer is A.", "B"], logprob=-0.5, scores=float_of) for who in ("ann", "bob")]
        roles = {"verifier": members[0]} if name == "best-of-n" else {}
        return Team(method(name), members, **roles), members

    def float_of(text: str) -> float:
        return 0.5

    def leaves(reply: Reply) -> Iterator[Reply]:
        yield from (leaf for part in reply.parts for leaf in leaves(part)) if reply.parts else (reply,)

    def told(extras: frozenset[str]) -> tuple[Reply, list[Scripted]]:
        made, members = team()
        [reply] = asyncio.run(Team(method("majority-vote"), [made, down("cid")]).generate(QUESTION, scope=Scope(extras=extras)))
        return reply, members

    reply, members = told(frozenset({"prompts"}))
    asked = [leaf.prompt for leaf in leaves(reply) if leaf.text is not None]
    assert {prompt[-1].content for prompt in asked} == {text for member in members for text in member.prompts}
    assert all(leaf.prompt for leaf in leaves(reply)) and reply.prompt == () == reply.parts[0].prompt

    def bare(one: Reply) -> Reply:
        return one.having(prompt=(), parts=tuple(map(bare, one.parts)))

    assert bare(reply) == told(frozenset())[0] != reply
