"""Best of N: scores, missing scores, sums."""

from __future__ import annotations

import asyncio
from math import log, nan

import pytest

from consilience.errors import ModelError, NoAnswerError, TeamError
from consilience.methods.search.best_of_n import BestOfN
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def run(texts: list[str], scores: dict[str, float | None], method: BestOfN | None = None) -> Reply:
    verifier = Scripted("v", [""], scores=lambda text: scores.get(text))
    method = method or BestOfN(draws=len(texts))
    [reply] = asyncio.run(Team(method, [Scripted("m", texts)], verifier=verifier).generate(QUESTION))
    return reply


def test_the_highest_score_wins_and_nan_never() -> None:
    reply = run(["A", "B", "C"], {"A": .2, "B": .9, "C": .5})
    assert reply.reading == "B" and reply.note["score"] == .9 and reply.usage.calls == 3 + 1
    assert run(["A", "B", "C"], {"A": .2, "B": nan, "C": .5}).reading == "C"
    assert run(["A"], {"A": -3.0}).reading == "A"


def test_unread_answers_never_win() -> None:
    assert run(["hm", "B"], {"hm": 9.0, "B": .1}).reading == "B"


def odds(p: float) -> float:
    return log(p / (1 - p))


@pytest.mark.parametrize(("scores", "best", "total"), [((.9, .5, .5), "A", "B"), ((.9, .3, .3), "A", "A")])
def test_best_and_sum(scores: tuple[float, ...], best: str, total: str) -> None:
    texts = ["The answer is A.", "The answer is B.", "Answer: B"]
    table = {t: odds(s) for t, s in zip(texts, scores, strict=True)}
    assert run(texts, table).reading == best  # type: ignore[arg-type]
    assert run(texts, table, BestOfN(draws=3, choose="sum")).reading == total  # type: ignore[arg-type]


def test_without_any_score_the_majority() -> None:
    reply = run(["A", "B", "B"], {})
    assert reply.reading == "B" and reply.note["fallback"] == "no score"


class Broken(Scripted):
    async def verify(self, request, answers):  # type: ignore[no-untyped-def]
        raise ModelError("no memory")


def test_a_failing_verifier_is_absent_and_the_majority_answers() -> None:
    broken = Broken("v", [""], scores=lambda text: 0.0)
    [reply] = asyncio.run(Team(BestOfN(draws=3), [Scripted("m", ["A", "B", "B"])], verifier=broken).generate(QUESTION))
    assert reply.reading == "B" and reply.absent[0].member == "v"


def test_ties_between_members_go_to_the_better_on_dev() -> None:
    verifier = Scripted("v", [""], scores=lambda text: 1.0)
    members = [Scripted("a", ["A"]), Scripted("b", ["B", "C"])]
    [reply] = asyncio.run(Team(BestOfN(draws=2), members, verifier=verifier, standing=(.1, .9)).generate(QUESTION))
    assert reply.reading == "B"


def test_a_verifier_must_be_named_and_able() -> None:
    with pytest.raises(TeamError, match="verifier"):
        Team(BestOfN(), [Scripted("a", ["A"])])
    with pytest.raises(TeamError, match="Verify"):
        Team(BestOfN(), [Scripted("a", ["A"])], verifier=Scripted("b", ["B"]))
    with pytest.raises(NoAnswerError):
        asyncio.run(Team(BestOfN(), [down("a")], verifier=Scripted("v", [""], scores=lambda t: 0.0)).generate(QUESTION))
