"""Agent-REINFORCE: the search on dev, and the graph that it leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consilience.methods.text.agent_reinforce import AgentReinforce
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted
from tests.methods.questions import split

DEV = split([(f"question {i}", "C") for i in range(8)])


def editor(request: Request, draw: int) -> Answer:
    """Right when it fuses several texts, else wrong."""
    return "The answer is C." if request.form == "fuse" and len(dict(request.fields)["candidates"]) > 1 else "The answer is D."


def fitted(*members: Any, said: str = "", **options: Any) -> tuple[Team, Scripted]:
    own = [Scripted(x, script) for x, script in zip("abc", members, strict=False)]
    searcher = Scripted("searcher", [said])
    return Team(AgentReinforce(**options), own, searcher=searcher).fit_sync(DEV), searcher


def ask(team: Team) -> Reply:
    return asyncio.run(team.generate(DEV[0].request))[0]


def graph(team: Team) -> list[Any]:
    return list(team.method.found().values["graph"])


def test_a_star_wins_where_fusing_helps() -> None:
    team, searcher = fitted(editor, ["The answer is A."])
    assert len(graph(team)) > 1 and graph(team)[-1][:2] == [0, "fuse"] and ask(team).reading == "C"
    assert len(searcher.asked) == 4 and "score 1.00" in searcher.prompts[0]


def test_the_best_member_alone_wins_where_nothing_is_gained() -> None:
    team, _ = fitted(["The answer is C."], ["The answer is A."])
    assert graph(team) == [[0, "fuse", []]] and ask(team).usage.calls == 1, "among equals the older one"


def test_tokens_have_a_price() -> None:
    free, _ = fitted(editor, ["The answer is A."], steps=1)
    dear, _ = fitted(editor, ["The answer is A."], steps=1, tokens=1)
    assert len(graph(free)) == 4 and len(graph(dear)) == 1


@pytest.mark.parametrize("gradient", ["text", "numeric"])
def test_a_search_keeps_its_budget_and_repeats(gradient: str) -> None:
    options: dict[str, Any] = {"nodes": 3, "steps": 3, "graphs": 4, "questions": 4, "gradient": gradient}
    team, searcher = fitted(editor, ["The answer is A."], ["The answer is B."], said="raise size 3", **options)
    rewards = team.method.found().values["rewards"]
    assert 3 <= len(rewards) <= 12 and max(rewards) == 1.0 and len(searcher.asked) == (3 if gradient == "text" else 0)
    assert len(graph(team)) <= 3
    again, _ = fitted(editor, ["The answer is A."], ["The answer is B."], said="raise size 3", **options)
    assert again.method.found().digest == team.method.found().digest


def test_words_move_the_search() -> None:
    told, _ = fitted(["The answer is A."], said="\n".join(["raise size 1"] * 30), steps=3, graphs=5)
    free, _ = fitted(["The answer is A."], gradient="numeric", steps=3, graphs=5)
    assert len(told.method.found().values["rewards"]) < len(free.method.found().values["rewards"]), "single nodes alone, once"
