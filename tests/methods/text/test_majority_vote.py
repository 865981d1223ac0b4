"""Majority vote: counts, weights, abstentions, ties."""

from __future__ import annotations

import asyncio
from itertools import permutations

import pytest

from consilience.errors import NoAnswerError, TeamError
from consilience.methods.text.majority_vote import MajorityVote
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(2))


def vote(answers: list[str | None], standing: tuple[float, ...] | None = None, method: MajorityVote | None = None) -> Reply:
    members = [Scripted(f"m{i}", [a]) for i, a in enumerate(answers)]
    [reply] = asyncio.run(Team(method or MajorityVote(), members, standing=standing).generate(QUESTION))
    return reply


def test_counts() -> None:
    assert vote(["A", "A", "B"]).reading == "A"
    assert vote(["B"]).reading == "B"
    assert vote(["?", "?", "B"]).reading == "B", "two failures do not outvote an answer"


def test_ties_go_to_the_better_on_dev_then_to_team_order() -> None:
    assert vote(["A", "B", None], (.4, .6, .9)).reading == "B"
    assert vote(["A", "B"]).reading == "A"


def test_unread_text_is_the_best_members_and_no_text_is_no_answer() -> None:
    reply = vote(["hm", "well"], (.1, .2))
    assert reply.text == "well" and reply.unread
    with pytest.raises(NoAnswerError):
        vote([None, None])


def test_accuracy_weights_pick_the_pair_and_log_odds_the_expert() -> None:
    answers, standing = ["A", "B", "B"], (.9, .6, .6)
    by_accuracy = vote(list(answers), standing, MajorityVote(weights="accuracy"))
    by_odds = vote(list(answers), standing, MajorityVote(weights="log-odds"))
    assert (by_accuracy.reading, by_odds.reading) == ("B", "A")
    assert by_accuracy.note["votes"] == {"A": .9, "B": pytest.approx(1.2)}
    assert by_odds.note["votes"] == {"A": pytest.approx(2.197, abs=1e-3), "B": pytest.approx(.811, abs=1e-3)}


def test_weights_without_dev_are_refused() -> None:
    with pytest.raises(TeamError, match="fit"):
        vote(["A"], None, MajorityVote(weights="accuracy"))


def test_a_member_worse_than_chance_has_no_negative_vote() -> None:
    reply = vote(["A", "B"], (.1, .6), MajorityVote(weights="log-odds"))
    assert reply.note["votes"]["A"] == 0 and reply.reading == "B"


def test_permuting_members_changes_nothing() -> None:
    answers = [("A", .3), ("A", .4), ("B", .9)]
    readings = {vote([a for a, _ in p], tuple(s for _, s in p)).reading for p in permutations(answers)}
    assert readings == {"A"}


def test_likely_answers_weigh_more() -> None:
    members = [Scripted("x", ["A"], logprob=-.1), Scripted("y", ["B"], logprob=-1.5), Scripted("z", ["B"], logprob=-1.5)]
    likely = MajorityVote(weights="likelihood")
    reply = asyncio.run(Team(likely, members).generate(QUESTION))[0]
    assert reply.reading == "A" and reply.note["votes"] == {"A": pytest.approx(.904837), "B": pytest.approx(.44626)}
    with pytest.raises(TeamError, match="log-probabilities"):
        vote(["A", "B"], method=likely)
