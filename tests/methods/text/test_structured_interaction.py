"""Structured interaction: graphs, one hop per round, whose answer counts."""

from __future__ import annotations

import asyncio

import pytest

from consilience.errors import TeamError
from consilience.methods.text.refine import MultiagentRefine
from consilience.methods.text.structured_interaction import Shape, StructuredInteraction, edges
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


@pytest.mark.parametrize(("shape", "n", "count"), [("chain", 4, 6), ("star", 4, 6), ("circle", 4, 8), ("complete", 4, 12),
                                                   ("tree", 7, 12), ("wheel", 4, 12), ("wheel", 5, 16)])
def test_edges(shape: Shape, n: int, count: int) -> None:
    assert sum(map(len, edges(shape, n))) == count


@pytest.mark.parametrize("shape", ["chain", "tree", "star", "circle", "complete", "wheel"])
def test_small_graphs_have_no_self_loops(shape: Shape) -> None:
    assert edges(shape, 1) == [[]] and edges(shape, 2) == [[1], [0]]
    for n in range(1, 8):
        assert all(i not in sources and max(sources, default=0) < n for i, sources in enumerate(edges(shape, n)))


def spreading(name: str) -> Scripted:
    """Passes a mark on as soon as it reads it."""
    def answer(request: Request, draw: int) -> str:
        seen = name == "m0" or "MARK" in str(request.fields)
        return f"The answer is {'AB'[int(name[1:]) % 2]}. {'MARK' if seen else ''}"
    return Scripted(name, answer)


def run(method: StructuredInteraction, members: list[Scripted], standing: tuple[float, ...] | None = None) -> Reply:
    [reply] = asyncio.run(Team(method, members, standing=standing).generate(QUESTION))
    return reply


@pytest.mark.parametrize("rounds", [1, 2, 3, 4])
def test_news_travel_one_edge_per_round(rounds: int) -> None:
    members = [spreading(f"m{i}") for i in range(4)]
    reply = run(StructuredInteraction(structure="chain", rounds=rounds), members)
    said = [m.prompts for m in members]
    assert reply.usage.calls == 4 * rounds
    for i in range(1, 4):
        reached = [r for r, prompt in enumerate(said[i]) if "MARK" in prompt]
        assert min(reached, default=rounds) == min(i, rounds)


def test_one_round_or_no_edges_is_the_best_member_alone() -> None:
    members = [Scripted("a", ["A"]), Scripted("b", ["B"])]
    assert run(StructuredInteraction(rounds=1), members, (.1, .9)).reading == "B"
    apart = StructuredInteraction(structure="custom", matrix=((0, 0), (0, 0)))
    reply = run(apart, members, (.9, .1))
    assert reply.reading == "A" and reply.usage.calls == 2


def test_a_directed_custom_graph_asks_the_readers_only() -> None:
    a, b = Scripted("a", ["A"]), Scripted("b", ["B"])
    run(StructuredInteraction(structure="custom", matrix=((0, 1), (0, 0))), [a, b])
    assert (len(a.asked), len(b.asked)) == (1, 3)


def test_a_matrix_of_another_size_is_refused_when_bound() -> None:
    with pytest.raises(TeamError, match="2 x 2"):
        Team(StructuredInteraction(structure="custom", matrix=((0,),)), [Scripted("a", ["A"]), Scripted("b", ["B"])])


def test_vote_and_early_stop() -> None:
    members = [Scripted("a", ["A"]), Scripted("b", ["B"]), Scripted("c", ["B"])]
    assert run(StructuredInteraction(structure="complete", final="vote"), members, (.9, .1, .1)).reading == "B"
    assert run(StructuredInteraction(), [Scripted(x, ["A"]) for x in "abc"]).usage.calls == 3


def test_a_complete_graph_is_multiagent_refine_without_its_summary() -> None:
    def talking(name: str) -> Scripted:
        return Scripted(name, lambda request, draw: f"The answer is {name}. {request.form} {len(str(request.fields))}")
    here, there = [talking(x) for x in "ABC"], [talking(x) for x in "ABC"]
    run(StructuredInteraction(structure="complete", early_stop=False), here)
    asyncio.run(Team(MultiagentRefine(early_stop=False), there, summariser=Scripted("s", ["A"])).generate(QUESTION))
    assert [m.prompts for m in here] == [m.prompts for m in there]
