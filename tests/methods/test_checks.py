"""What does not fit is refused when a team is made, before any call, and says what would do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from consilience.errors import TeamError
from consilience.method import Cast, Learned
from consilience.registry import method
from consilience.team import Team
from consilience.types import Request
from tests.members import Scripted

CROWD = [Scripted(f"m{i}", ["A"]) for i in range(27)]
PAIR = CROWD[:2]


@pytest.mark.parametrize(("name", "options", "members", "words"), [
    ("majority-vote", {}, [], "majority-vote needs at least 1 members, got 0"),
    ("top-bottom-contrast", {}, CROWD[:1], "top-bottom-contrast needs at least 2 members, got 1"),
    ("top-bottom-contrast", {"k": 2}, PAIR, "needs NextTokens from every member, but m0 does not offer NextTokens"),
    ("best-of-n", {}, PAIR, "best-of-n needs a model in the role 'verifier'"),
    ("prompt-routing", {}, CROWD, "letters its members, at most 26; got 27"),
    ("prompt-routing", {"descriptions": ["one"]}, PAIR, "got 1 descriptions for 2 members"),
    ("mexa", {}, CROWD, "letters its members, at most 26; got 27"),
    ("r2-reasoner", {}, CROWD, "letters its members, at most 26; got 27"),
    ("universal-self-consistency", {"draws": 14}, PAIR, "letters its answers, at most 26; got 28"),
    ("task-arithmetic", {}, PAIR, "needs Weights"),
])
def test_teams_that_cannot_be(name: str, options: dict[str, Any], members: list[Scripted], words: str) -> None:
    with pytest.raises(TeamError, match=words):
        Team(method(name, options), members)


@pytest.mark.parametrize(("name", "options", "count", "words"), [
    ("task-arithmetic", {"weights": [1.0]}, 2, "got 1 weights for 2 members"),
    ("ties", {"density": 0.0}, 2, "with density 0 would keep nothing"),
    ("uniform-soup", {"weights": [1.0, -1.0]}, 2, "2 weights whose sum is not 0"),
    ("logit-fusion", {"tau": 0.0}, 2, "tau must be above 0, got 0.0"),
    ("logit-fusion", {"weights": [1.0]}, 2, "needs 2 weights >= 0"),
    ("logit-fusion", {"product": True, "pool": "probabilities"}, 2, "a product of experts multiplies distributions"),
    ("collaborative-speculation", {"share": 1.0}, 2, "share must lie between 0 and 1, got 1.0"),
    ("top-bottom-contrast", {"k": 2}, 3, "with k=2 needs at least 4 members, got 3"),
])
def test_options_that_do_not_fit_the_members(name: str, options: dict[str, Any], count: int, words: str) -> None:
    """Asked of the method itself: these members lack the powers that a team would miss first."""
    with pytest.raises(TeamError, match=words):
        method(name, options).check(Cast(tuple(CROWD[:count])))


def test_standing_is_one_score_for_each_member() -> None:
    with pytest.raises(TeamError, match="3 dev scores were given for 2 members"):
        Team(method("majority-vote"), PAIR, standing=[0.1, 0.2, 0.3])


@pytest.mark.parametrize("name", ["agent-reinforce", "heterogeneous-swarm", "cascade", "automix", "frugal-gpt", "token-cascade",
                                  "cascade-routing", "slm-mux", "symbolic-moe", "knn-router", "avengers", "trained-router"])
def test_who_was_fitted_for_others_says_so(name: str) -> None:
    """Methods that learned who their members are refuse other ones, and another order."""
    made = replace(method(name), learned=Learned({"members": ["m1", "m0"]}))
    made.check(Cast((CROWD[1], CROWD[0])))
    for members in (CROWD[:2], CROWD[1:3], CROWD[1:2]):
        with pytest.raises(TeamError, match="was fitted for the members m1, m0 .in this order., got .*: fit it again"):
            made.check(Cast(tuple(members)))


def test_an_unfitted_method_says_what_would_do() -> None:
    with pytest.raises(TeamError, match="knn-router must be fitted before it answers: team.fit"):
        asyncio.run(Team(method("knn-router"), PAIR).generate(Request.of("Why?")))
