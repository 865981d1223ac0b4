"""GlimpRouter: which steps go to whom, the threshold that dev asks for, and what ends the trace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from consilience.errors import ConfigError, TeamError
from consilience.methods.route.glimp_router import GlimpRouter
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted
from tests.methods.questions import split
from tests.methods.route.writers import Writer, failing, steps_of

QUESTION = Request.of("Why?", form="answer", format=Choice(4))
SMALL = ["first", "second", "third", "Answer: A"]
LARGE = ["FIRST", "SECOND", "THIRD", "Answer: B"]
EASY, HARD, SPLIT = (.97, .01, .01, .01), (.25,) * 4, (.4, .3, .2, .1)


def pair(chances: Sequence[Sequence[float]] = (EASY, HARD, EASY, SPLIT)) -> tuple[Writer, Writer]:
    return Writer("small", script=SMALL, chances=chances), Writer("large", script=LARGE, other={"fuse": "Answer: C"})


def run(small: Scripted, large: Scripted, **options: Any) -> Reply:
    team = Team(GlimpRouter(**options), [large, small], small=small, large=large)
    [reply] = asyncio.run(team.generate(QUESTION))
    return reply


def test_hesitation_hands_the_step_to_the_large_model_which_also_answers() -> None:
    small, large = pair()
    reply = run(small, large, threshold=1.0)
    assert reply.note["authors"] == ["small", "large", "small", "large"]
    assert reply.note["entropies"] == pytest.approx([.1677, 1.3863, .1677, 1.2799], abs=1e-4)
    assert reply.text == "Answer: C" and "first\n\nSECOND\n\nthird\n\nAnswer: B" in large.prompts[-1]
    assert reply.usage.calls == 4 + 4 + 1


def test_a_threshold_that_nothing_reaches_asks_the_large_model_for_the_answer_alone() -> None:
    small, large = pair()
    reply = run(small, large, threshold=99.0)
    assert [r.form for r in large.asked] == ["fuse"] and reply.note["authors"] == ["small"] * 4


def test_below_zero_the_large_model_writes_every_step() -> None:
    small, large = pair()
    reply = run(small, large, threshold=-1.0, final="trace")
    assert reply.text == "\n\n".join(LARGE) and reply.note["authors"] == ["large"] * 4 and not steps_of(small)


def test_the_steps_make_the_trace_and_escalation_falls_with_the_threshold() -> None:
    shares = []
    for threshold in (-1.0, .1, .2, 1.3, 1.5):
        reply = run(*pair(), threshold=threshold, final="trace")
        wrote = [LARGE[i] if who == "large" else SMALL[i] for i, who in enumerate(reply.note["authors"])]
        assert reply.text == "\n\n".join(wrote)
        shares.append(reply.note["authors"].count("large"))
    assert shares == sorted(shares, reverse=True) == [4, 4, 2, 1, 0]


def test_a_small_model_that_would_end_at_once_ends_the_trace() -> None:
    small, large = pair((EASY, EASY))
    small.script = SMALL[:2]
    small.tells = False      # a server that does not say what ended its text
    reply = run(small, large, threshold=1.0, final="trace")
    assert reply.text == "first\n\nsecond\n\n" and not large.asked


def test_no_glimpse_inside_a_block_of_code() -> None:
    small = Writer("small", script=["```\na = 1", "b = 2\n```", "Answer: A"], chances=[EASY, HARD, EASY])
    reply = run(small, Writer("large", script=LARGE), threshold=1.0, final="trace")
    assert reply.note["authors"] == ["small"] * 3 and len(reply.note["entropies"]) == 2


def test_the_threshold_lets_the_wanted_share_of_dev_steps_pass() -> None:
    dev = split([("Why?", "C"), ("When?", "C")])
    small, large = pair()
    team = Team(GlimpRouter(share=.25), [large, small], small=small, large=large).fit_sync(dev)
    cut = team.method.found().values["threshold"]
    assert 1.2799 <= cut < 1.3863
    everything = Team(GlimpRouter(share=1.0), [large, small], small=small, large=large).fit_sync(dev)
    assert everything.method.found().values["threshold"] == -1.0


def test_a_target_chooses_the_share() -> None:
    small, large = pair()
    small.script = [*SMALL[:3], "Answer: C"]
    team = Team(GlimpRouter(final="trace", tradeoff=1.0), [large, small], small=small, large=large)
    values = team.fit_sync(split([("Why?", "C"), ("When?", "C")])).method.found().values
    assert values["threshold"] == pytest.approx(1.3863, abs=1e-4) and values["expected"]["quality"][0] == 1.0


def test_failures() -> None:
    small, large = pair()
    assert run(failing("small"), large, threshold=1.0).text == "Answer: C"
    reply = run(small, failing("large"), threshold=1.0)
    assert reply.text == "\n\n".join(SMALL) and {a.member for a in reply.absent} == {"large"}
    with pytest.raises(ConfigError, match="no step"):
        Team(GlimpRouter(), [failing("a"), failing("b")]).fit_sync(split([("Why?", "C")]))


def test_needs() -> None:
    with pytest.raises(TeamError, match="Continue"):
        Team(GlimpRouter(), [Scripted("a", ["A"]), Scripted("b", ["B"])])


def test_one_model_answers_alone() -> None:
    writer = Writer("w", script=SMALL)
    reply = asyncio.run(Team(GlimpRouter(threshold=1.0), [writer]).generate(QUESTION))[0]
    assert reply.usage.calls == 1 and reply.reading == "A"
