"""MEXA: who is chosen, and what the aggregator reads."""

from __future__ import annotations

import asyncio

import pytest

from consilience.errors import ModelError, TeamError
from consilience.methods.text.mexa import Mexa
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def members(n: int = 5) -> list[Scripted]:
    return [Scripted(f"m{i}", [f"The answer is A. said-{i}"]) for i in range(n)]


def run(own: list[Scripted], selector: Scripted, aggregator: Scripted, **options: int) -> Reply:
    team = Team(Mexa(**options), own, standing=[i / 10 for i in range(len(own))], selector=selector, aggregator=aggregator)
    return asyncio.run(team.generate(QUESTION))[0]


def naming(*names: str) -> Scripted:
    """A selector that names members by the letters under which it was shown them."""
    def answer(request: Request, draw: int) -> Answer:
        lines = request.messages[-1].content.splitlines()
        return ", ".join(line[0] for name in names for line in lines if line.endswith(f"scripted {name}"))
    return Scripted("selector", answer)


def test_the_named_experts_answer_and_an_aggregator_writes() -> None:
    own, aggregator = members(), Scripted("aggregator", ["The answer is B."])
    reply = run(own, naming("m1", "m3"), aggregator)
    assert reply.reading == "B" and reply.usage.calls == 1 + 2 + 1 and reply.note["experts"] == ["m1", "m3"]
    assert [bool(m.asked) for m in own] == [False, True, False, True, False]
    assert "said-1" in aggregator.prompts[0] and "said-3" in aggregator.prompts[0]


def test_no_more_than_so_many() -> None:
    assert run(members(), naming("m0", "m1", "m2", "m3"), Scripted("a", ["B"]), experts=2).note["experts"] == ["m0", "m1"]


@pytest.mark.parametrize("said", ["nobody", "", ModelError("gone", reason="down")])
def test_when_nobody_is_named_the_best_answer(said: Answer) -> None:
    assert run(members(), Scripted("selector", [said]), Scripted("a", ["B"])).note["experts"] == ["m4", "m3", "m2"]


def test_few_members_are_all_asked_without_choosing() -> None:
    selector = naming()
    assert run(members(2), selector, Scripted("a", ["The answer is B."])).usage.calls == 3 and not selector.asked
    assert run(members(1), selector, Scripted("a", ["B"])).usage.calls == 1
    with pytest.raises(TeamError, match="at most 26"):
        Team(Mexa(), members(27))
