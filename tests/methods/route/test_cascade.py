"""Cascade: rungs, thresholds from dev, three measures of confidence."""

from __future__ import annotations

import asyncio
from math import log

import pytest

from consilience.methods.route.cascade import Cascade
from consilience.methods.text.majority_vote import MajorityVote
from consilience.model import Price
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request, Token
from tests.members import Answer, Scripted, down
from tests.methods.questions import split

QUESTION = Request.of("Which?", form="answer", format=Choice(4))
CHEAP, DEAR = Price(1, 1), Price(9, 9)


def said(text: str, *chances: float) -> Reply:
    return Reply(text, model="m", tokens=tuple(Token(text, log(p)) for p in chances))


def knowing(name: str, right: dict[str, float], price: Price, draws: dict[int, str] | None = None) -> Scripted:
    """Answers A to the questions it knows, with that probability; else B with probability .4."""
    def answer(request: Request, draw: int) -> Answer:
        p = right.get(request.question)
        reply = said("A" if p else "B", p or .4)
        return reply.having(model=name)
    return Scripted(name, answer, price=price)


DEV = split([(q, "A") for q in "abcdef"])


def test_fitted_on_dev_the_cheap_answers_what_it_knows_and_the_dear_the_rest() -> None:
    cheap = knowing("cheap", {"a": .9, "b": .8, "c": .7}, CHEAP)
    dear = knowing("dear", dict.fromkeys("abcdef", .9), DEAR)
    team = Team(Cascade(), [dear, cheap]).fit_sync(DEV)
    assert team.method.found().values["thresholds"] == {"1": pytest.approx(.7)}
    assert sum(asyncio.run(DEV.evaluate(team))) == 6
    [known] = asyncio.run(team.generate(DEV[0].request))
    [unknown] = asyncio.run(team.generate(DEV[5].request))
    assert [p.model for p in known.parts] == ["cheap"] and known.note["rung"] == "cheap"
    assert len(unknown.parts) == 2 and unknown.note["rung"] == "dear"


def test_quantiles_of_ones_own_confidences() -> None:
    cheap = knowing("cheap", dict(zip("abcd", (.5, .6, .7, .8), strict=True)), CHEAP)
    dev = split([(q, "A") for q in "abcd"])
    half = Team(Cascade(quantile=.5), [cheap, knowing("dear", {}, DEAR)]).fit_sync(dev)
    assert half.method.found().values["thresholds"]["0"] == pytest.approx(.65)
    accepted = [asyncio.run(half.generate(e.request))[0].note["rung"] for e in dev]
    assert accepted == ["dear", "dear", "cheap", "cheap"]
    everything = Team(Cascade(quantile=0.0), [cheap, knowing("dear", {}, DEAR)]).fit_sync(dev)
    assert all(asyncio.run(everything.generate(e.request))[0].note["rung"] == "cheap" for e in dev)


def test_agreement_of_samples() -> None:
    cheap = Scripted("cheap", lambda r, d: "A" if r.question == "a" else "ABC"[d], price=CHEAP)
    dear = Scripted("dear", ["A"], price=DEAR)
    dev = split([("a", "A"), ("b", "A")])
    team = Team(Cascade(confidence="agreement"), [cheap, dear]).fit_sync(dev)
    first, second = (asyncio.run(team.generate(e.request))[0] for e in dev)
    assert first.note["rung"] == "cheap" and first.usage.calls == 3 and first.note["confidence"] == 1
    assert second.reading == "A"


def test_just_ask_needs_no_dev() -> None:
    def unsure(request: Request, draw: int) -> str:
        return "no" if request.form == "check" else "B"
    cheap, dear = Scripted("cheap", unsure, price=CHEAP), Scripted("dear", ["C"], price=DEAR)
    [reply] = asyncio.run(Team(Cascade(confidence="ask"), [cheap, dear]).generate(QUESTION))
    assert reply.reading == "C" and reply.usage.calls == 3
    sure = Scripted("sure", lambda r, d: "yes" if r.form == "check" else "B", price=CHEAP)
    [reply] = asyncio.run(Team(Cascade(confidence="ask"), [sure, dear]).generate(QUESTION))
    assert reply.reading == "B" and reply.usage.calls == 2


def test_failures_pass_on_and_a_failing_last_rung_leaves_the_surest() -> None:
    cheap = knowing("cheap", {}, CHEAP)
    fitted = Team(Cascade(), [cheap, knowing("dear", dict.fromkeys("abcdef", .9), DEAR)]).fit_sync(DEV).method
    [reply] = asyncio.run(Team(fitted, [cheap, down("dear")]).generate(QUESTION))
    assert reply.reading == "B" and reply.note["fallback"] == "last ask failed"
    [reply] = asyncio.run(Team(fitted, [down("cheap"), knowing("dear", {"Which?": .9}, DEAR)]).generate(QUESTION))
    assert reply.reading == "A"


def test_alone() -> None:
    team = Team(Cascade(), [knowing("a", {}, CHEAP)]).fit_sync(DEV)
    assert asyncio.run(team.generate(QUESTION))[0].reading == "B"


def test_a_rung_that_is_a_team_is_as_sure_as_its_members_agree() -> None:
    def vote(*answers: str) -> Team:
        return Team(MajorityVote(stop="never"), [Scripted(f"m{i}", [a]) for i, a in enumerate(answers)], name="vote")

    async def asked(*answers: str) -> str | None:
        method = Cascade(confidence="agreement", draws=1, order="given").with_learned(
            {"members": ["vote", "big"], "rungs": [0, 1], "thresholds": {"0": 1.0}})
        [reply] = await Team(method, [vote(*answers), Scripted("big", ["C"])]).generate(
            Request.of("Which?", form="answer", format=Choice(3)))
        return reply.reading

    assert asyncio.run(asked("A", "A", "A")) == "A"
    assert asyncio.run(asked("A", "A", "B")) == "C", "two of three are not sure enough"


def test_a_voting_team_is_as_sure_as_its_votes() -> None:
    def small(name: str) -> Scripted:
        return Scripted(name, lambda r, d: "A" if r.question == "a" else {"x": "A", "y": "B", "z": "C"}[name], price=CHEAP)
    vote = Team(MajorityVote(stop="never"), [small("x"), small("y"), small("z")], name="three")
    dev = split([("a", "A"), ("b", "D"), ("c", "D")])
    dear = Scripted("dear", lambda r, d: "A" if r.question == "a" else "D", price=DEAR)
    team = Team(Cascade(confidence="agreement", draws=1, order="given"), [vote, dear]).fit_sync(dev)
    rungs = [asyncio.run(team.generate(e.request))[0].note["rung"] for e in dev]
    assert rungs == ["three", "dear", "dear"]
