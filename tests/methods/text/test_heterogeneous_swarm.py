"""Heterogeneous swarms: the search finds the graph that does best on dev, and runs it."""

from __future__ import annotations

import asyncio

from consilience.methods.text.heterogeneous_swarm import HeterogeneousSwarm
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted
from tests.methods.questions import split

DEV = split([(f"question {i}", "C") for i in range(8)])


def members() -> list[Scripted]:
    """Only the editor turns what it reads into the right answer; the others spoil it."""
    def editor(request: Request, draw: int) -> Answer:
        return "The answer is C." if request.form == "fuse" else "The answer is D."
    return [Scripted("a", ["The answer is A."]), Scripted("b", ["The answer is B."]), Scripted("editor", editor)]


def fitted(**options: int) -> tuple[Team, list[Scripted]]:
    own = members()
    return Team(HeterogeneousSwarm(**options), own).fit_sync(DEV), own


def ask(team: Team) -> Reply:
    return asyncio.run(team.generate(DEV[0].request))[0]


def test_the_editor_is_found_to_be_the_one_who_writes() -> None:
    team, _ = fitted()
    values = team.method.found().values
    assert values["graph"][-1][0] == 2 and values["history"][-1] == 1.0
    assert values["history"] == sorted(values["history"])
    reply = ask(team)
    assert reply.reading == "C" and reply.usage.calls == 3 and reply.text == ask(team).text


def test_a_search_costs_at_most_what_it_says_and_graphs_once() -> None:
    team, own = fitted(questions=4, iterations=3)
    tried = team.method.found().values["tried"]
    asked = sum(len(m.asked) for m in own) - 3 * len(DEV)       # the standing's drafts
    assert 1 <= tried <= 15 and asked == tried * 4 * 3


def test_a_search_ends_when_it_stands_still_and_equal_seeds_find_the_same() -> None:
    team, _ = fitted(patience=1, iterations=50)
    assert len(team.method.found().values["history"]) < 50
    assert fitted(seed=3)[0].method.found().digest == fitted(seed=3)[0].method.found().digest


def test_one_member_is_a_graph_of_one() -> None:
    team = Team(HeterogeneousSwarm(), members()[:1]).fit_sync(DEV)
    assert ask(team).usage.calls == 1 and ask(team).reading == "A"
