"""LLM-Blender: comparisons, orders, fusion."""

from __future__ import annotations

import asyncio

from consilience.errors import ModelError
from consilience.learn.ranking import by_margins, by_wins, order
from consilience.methods.text.llm_blender import LlmBlender
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted, down

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def judge(beats: str) -> Scripted:
    """Prefers the answer whose letter comes first in `beats`."""
    def verdict(request: Request, draw: int) -> Answer:
        fields = dict(request.fields)
        return "The answer is A." if beats.index(str(fields["a"])) < beats.index(str(fields["b"])) else "B"
    return Scripted("judge", verdict)


FUSER = Scripted("fuser", lambda request, draw: request.fields[0][1][0])


def run(method: LlmBlender, letters: str, by: Scripted, standing: tuple[float, ...] | None = None) -> Reply:
    team = Team(method, [Scripted(f"m{i}", [x]) for i, x in enumerate(letters)], standing=standing, judge=by, fuser=FUSER)
    [reply] = asyncio.run(team.generate(QUESTION))
    return reply


def test_four_candidates_are_six_comparisons_and_one_fusion() -> None:
    reply = run(LlmBlender(), "ABCD", judge("CABD"))
    assert reply.reading == "C" and reply.usage.calls == 4 + 6 + 1
    assert FUSER.asked[-1].fields == (("candidates", ("C", "A", "B")),)


def test_swapping_asks_twice_and_a_biased_judge_cancels_out() -> None:
    biased = Scripted("judge", ["A"])
    reply = run(LlmBlender(swap=True, top=1), "ABC", biased, (.1, .2, .9))
    assert reply.usage.calls == 3 + 6 and reply.reading == "C", "all draws: the author better on dev"


def test_a_cycle_is_ordered_by_dev() -> None:
    cycle = {("A", "B"): 1, ("B", "C"): 1, ("C", "A"): 1}
    def verdict(request: Request, draw: int) -> str:
        fields = dict(request.fields)
        return "A" if (fields["a"], fields["b"]) in cycle else "B"
    assert run(LlmBlender(top=1), "ABC", Scripted("j", verdict), (.1, .9, .2)).reading == "B"


def test_orders_of_the_catalogue() -> None:
    beats_all = [[0, .1, .1], [-.1, 0, 5], [-.1, -5, 0]]
    assert order(by_wins(beats_all)) == [0, 1, 2]
    assert [round(s, 6) for s in by_margins(beats_all)] == [.4, 9.8, -10.2] and order(by_margins(beats_all))[0] == 1
    assert by_wins([[0, 0], [0, 0]]) == [.5, .5] and order([1.0, 1.0 + 1e-12]) == [0, 1]


def test_equal_texts_are_one_candidate_and_one_candidate_answers() -> None:
    assert run(LlmBlender(), "AAB", judge("AB")).usage.calls == 3 + 1 + 1
    assert run(LlmBlender(), "AAA", judge("A")).usage.calls == 3


def test_top_one_ranks_only_and_a_failing_fuser_leaves_the_winner() -> None:
    assert run(LlmBlender(top=1), "AB", judge("BA")).usage.calls == 3
    team = Team(LlmBlender(), [Scripted("a", ["A"]), Scripted("b", ["B"])], judge=judge("BA"), fuser=down("f"))
    [reply] = asyncio.run(team.generate(QUESTION))
    assert reply.reading == "B" and reply.note["fallback"] == "last ask failed"


def test_a_judge_that_fails_or_mumbles_makes_draws() -> None:
    assert run(LlmBlender(top=1), "AB", Scripted("j", [ModelError("no")]), (.1, .9)).reading == "B"
    assert run(LlmBlender(top=1), "AB", Scripted("j", ["Candidate answers differ"]), (.1, .9)).reading == "B"
