"""How sure a member is of its answer."""

from __future__ import annotations

import asyncio
from math import log
from typing import Any

import pytest

from consilience.errors import TeamError
from consilience.learn.confidence import certainty, consensus, quantile, usable
from consilience.reading import Choice
from consilience.types import Reply, Request, Token

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def said(text: str, *chances: float) -> Reply:
    return Reply(text, model="m", tokens=tuple(Token(text, log(p)) for p in chances))


def test_certainty() -> None:
    y1, y2 = said("A", *[.9] * 9, .1), said("A", *[.72] * 10)
    assert certainty(QUESTION, y1, "mean") > certainty(QUESTION, y2, "mean")
    assert certainty(QUESTION, y1, "min") == pytest.approx(.1) and certainty(QUESTION, y2, "min") == pytest.approx(.72)
    assert certainty(QUESTION, said("A"), "mean") == 0 and certainty(QUESTION, said("hm", .9), "mean") == 0
    with pytest.raises(TeamError, match="log-probabilities"):
        certainty(QUESTION, Reply("A"), "mean")


def test_quantiles_are_interpolated() -> None:
    assert quantile([.5, .6, .7, .8], .5) == pytest.approx(.65) and quantile([.8, .5], 0) == .5


@pytest.mark.parametrize(("answers", "share", "lead"), [("AAAB", .75, .5), ("AABB", .5, 0), ("A???", .25, .25), ("????", 0, 0)])
def test_consensus_counts_samples_that_cannot_be_read_in_the_whole(answers: str, share: float, lead: float) -> None:
    def told(rule: Any) -> float:
        return asyncio.run(consensus(QUESTION, [Reply(a) for a in answers], rule))[1]
    assert told("agreement") == share and told("margin") == lead


def test_what_is_an_answer() -> None:
    assert usable(QUESTION, Reply("A")) and usable(QUESTION, Reply(None, score=1.0))
    assert not any(usable(QUESTION, r) for r in (None, Reply(""), Reply("hm"), Reply(None), Reply("", score=1.0)))
