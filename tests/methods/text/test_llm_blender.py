"""LLM-Blender: comparisons, orders, fusion."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from consilience.errors import ModelError, TeamError
from consilience.methods.text.llm_blender import LlmBlender
from consilience.model import Measured, NextTokens
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


@pytest.mark.parametrize("letters", ["ABCD", "DCBA", "BDAC"])
def test_a_bubble_pass_names_who_beats_all_in_fewer_comparisons(letters: str) -> None:
    reply = run(LlmBlender(aggregate="bubble"), letters, judge("CABD"))
    assert reply.reading == "C" and reply.usage.calls == 4 + 3 + 1
    assert FUSER.asked[-1].fields == (("candidates", ("C", *[x for x in letters if x != "C"][:2])),), "the others by standing"
    assert run(LlmBlender(aggregate="bubble", swap=True, top=1), letters, judge("CABD")).usage.calls == 4 + 6


def test_a_bubble_pass_of_draws_leaves_the_better_on_dev() -> None:
    assert run(LlmBlender(aggregate="bubble", top=1), "ABC", Scripted("j", ["hm"]), (.1, .9, .2)).reading == "B"


def test_ratings_are_a_trained_ranker() -> None:
    rater = Scripted("v", [""], scores=lambda text: {"A": 2.0, "B": 3.5, "C": None, "D": float("nan")}[text])
    for aggregate in ("max-logits", "max-wins", "bubble"):
        reply = run(LlmBlender(judging="rating", aggregate=aggregate, top=1), "ABCD", rater)    # type: ignore[arg-type]
        assert reply.reading == "B" and not rater.asked
    assert run(LlmBlender(judging="rating", top=1), "AB", rater).note["ranking"] == [3.0, -3.0]


class Odds(Scripted):
    """Says how much likelier A is than B to be its next token."""

    def power(self, kind: type) -> object | None:
        return self if kind is NextTokens else super().power(kind)

    async def next(self, request: Request, choices: Sequence[str]) -> Measured[list[float]]:
        assert tuple(choices) == ("A", "B")
        text = request.messages[-1].content
        shown = "".join(text.split(f"Answer {x}:\n<<<\n")[1][0] for x in "AB")
        margin = {"AB": .1, "AC": .1, "BC": 5.0}["".join(sorted(shown))]
        return Measured([margin if shown == "".join(sorted(shown)) else -margin, 0.0])


def test_a_large_margin_may_outweigh_wins() -> None:
    """The catalogue's f_AB = .1, f_AC = .1, f_BC = 5: A beats all, and B has the largest sum."""
    for aggregate, best, first in (("max-logits", 9.8, "B"), ("max-wins", 2.0, "A"), ("bubble", 1.0, "A")):
        for swap in (False, True):
            method = LlmBlender(judging="odds", aggregate=aggregate, swap=swap, top=1)      # type: ignore[arg-type]
            reply = run(method, "ABC", Odds("j", [""]))
            assert reply.reading == first and reply.note["ranking"][0] == pytest.approx(best)


def test_a_judge_without_the_power_is_refused_when_bound() -> None:
    with pytest.raises(TeamError, match="judging='rating' needs Verify from its judge"):
        run(LlmBlender(judging="rating"), "AB", judge("AB"))
    with pytest.raises(TeamError, match="needs NextTokens"):
        run(LlmBlender(judging="odds"), "AB", judge("AB"))
