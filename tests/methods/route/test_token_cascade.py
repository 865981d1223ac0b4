"""Token cascade: quantiles of token log-probabilities, and the network over them."""

from __future__ import annotations

import asyncio
from math import log
from typing import Any

import pytest

from consilience.errors import TeamError
from consilience.methods.route.token_cascade import TokenCascade
from consilience.model import Price
from consilience.saved import read_learned, write_learned
from consilience.team import Team
from consilience.types import Reply, Request, Token
from tests.members import Answer, Scripted
from tests.methods.questions import split


def spoken(request: Request, right: bool) -> Reply:
    """Right answers are long and even, wrong ones hide one doubtful word; their means are alike."""
    size = 12 if "long" in request.question else 4
    logs = [log(.72)] * size if right else [log(.9)] * (size - 1) + [log(.72) * size - log(.9) * (size - 1) + .05]
    return Reply("A" if right else "B", model="small", usage=Reply("x").usage, cost=1e-4, seconds=1.0,
                 tokens=tuple(Token("x", value) for value in logs))


def small() -> Scripted:
    def answer(request: Request, draw: int) -> Answer:
        return spoken(request, "easy" in request.question)
    return Scripted("small", answer, price=Price(1, 1))


DEV = split([(f"{kind} {size} {i}", "A") for kind in ("easy", "hard") for size in ("long", "short") for i in range(15)])
LARGE = Scripted("large", ["A"], price=Price(50, 50), logprob=-.1)


def test_the_best_rule_sees_the_doubtful_word() -> None:
    team = Team(TokenCascade(), [small(), LARGE]).fit_sync(DEV)
    found = team.method.found().values
    assert found["own"]["rules"]["0"][0] == "quantile" and found["expected"]["quality"][0] == 1
    rungs = [asyncio.run(team.generate(e.request))[0].note["rung"] for e in DEV]
    assert rungs == ["small"] * 30 + ["large"] * 30


@pytest.mark.parametrize("rule", ["sum", "average", "quantile", "learned"])
def test_every_rule_runs(rule: Any) -> None:
    team = Team(TokenCascade(rule=rule), [small(), LARGE]).fit_sync(DEV)
    assert team.method.found().values["own"]["rules"]["0"][0] == rule
    [reply] = asyncio.run(team.generate(DEV[0].request))
    assert reply.reading == "A"


def test_the_network_tells_what_no_single_rule_does_and_survives_being_saved(tmp_path: Any) -> None:
    team = Team(TokenCascade(rule="learned"), [small(), LARGE]).fit_sync(DEV)
    assert sum(asyncio.run(DEV.evaluate(team))) == 60
    write_learned(team.method.found(), tmp_path)
    found = read_learned(tmp_path)
    assert found is not None and found.digest == team.method.found().digest


def test_without_log_probabilities_it_says_so() -> None:
    silent = Scripted("silent", ["A"])
    with pytest.raises((TeamError, ExceptionGroup)) as caught:
        Team(TokenCascade(), [silent, LARGE]).fit_sync(DEV)
    assert "log-probabilities" in str(caught.getrepr(chain=False)) + repr(caught.value)


def test_a_given_quantile() -> None:
    team = Team(TokenCascade(rule="quantile", quantile=.1), [small(), LARGE]).fit_sync(DEV)
    assert team.method.found().values["own"]["rules"]["0"] == ["quantile", .1]
