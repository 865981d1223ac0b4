"""Steps: where they end, when an answer is over, what entropy is."""

from __future__ import annotations

import asyncio
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.errors import ModelError
from consilience.gather import Member, Run
from consilience.learn.steps import Step, Trace, doubt, entropy
from consilience.prompt import put
from consilience.types import Reply, Request, Sampling, Token, Usage
from tests.members import Scripted, down
from tests.methods.route.writers import Writer

ASKED = Request.of("Why?", form="answer", sampling=Sampling(max_tokens=100))


def token(*chances: float) -> Token:
    return Token("0", log(chances[0]), tuple((str(i), log(p)) for i, p in enumerate(chances)))


@pytest.mark.parametrize(("chances", "nats"), [((.25,) * 4, 1.3863), ((.97, .01, .01, .01), .1677), ((.4, .3, .2, .1), 1.2799)])
def test_entropy(chances: tuple[float, ...], nats: float) -> None:
    assert entropy(token(*chances)) == pytest.approx(nats, abs=1e-4)


@given(st.lists(st.floats(.01, 1), min_size=1, max_size=8), st.integers(1, 8))
def test_what_the_alternatives_leave_over_counts_as_one_so_entropy_is_never_overstated(raw: list[float], k: int) -> None:
    chances = sorted((x / sum(raw) for x in raw), reverse=True)
    assert entropy(token(*chances[:k])) <= entropy(token(*chances)) + 1e-9


def write(trace: Trace, *members: Scripted, whole: bool = False) -> Step:
    bound = [Member(m, i, Run()) for i, m in enumerate(members)]
    if len(bound) == 1:
        return asyncio.run(trace.write(bound[0], whole=whole))
    return asyncio.run(trace.by(*bound, whole=whole))


def said(text: str, stop: str = "stop", **note: bool) -> Scripted:
    return Scripted("m", [Reply(text, stop=stop, model="m", usage=Usage(1, 1, 5), note=note)])


def test_a_step_ends_at_the_delimiter_at_the_mark_or_with_the_model() -> None:
    trace = Trace(ASKED, close="</think>")
    assert write(trace, said("one", stopped=True)) == Step("m", "one\n\n", 5, False)
    assert write(trace, said("one", stopped=False)) == Step("m", "one", 5, True)
    assert write(trace, said("one</think>two", stopped=True)) == Step("m", "one</think>", 5, True)
    assert write(trace, said("cut", "length", stopped=False)) == Step("m", "cut", 5, False)
    assert write(trace, said("", stopped=True)).last is False and write(trace, said("", stopped=False)).last
    assert write(trace, said("one\n\ntwo"), whole=True) == Step("m", "one\n\ntwo", 5, True)


def test_a_server_that_does_not_say_what_ended_a_text_is_asked_on_until_nothing_comes() -> None:
    assert not write(Trace(ASKED), said("one")).last and write(Trace(ASKED), said("")).last


def test_what_is_asked() -> None:
    trace = Trace(ASKED.having(prefix="So: ").sampled(stop=("END",)), cap=20).plus(Step("a", "one\n\n", 95))
    request = trace.ask(20)
    assert request.prefix == "So: one\n\n" and request.sampling.stop == ("END", "\n\n") and request.sampling.max_tokens == 5
    assert trace.ask(20, whole=True).sampling.stop == ("END",) and trace.text == "one\n\n"


@pytest.mark.parametrize(("texts", "over"), [([], False), (["a", "b"], False), (["a", "a"], True), (["a", "b", "a"], False),
                                             (["a", "b", "a", "b"], True), (["a", "b", "c", "d", "e"], True)])
def test_repeated_steps_and_too_many_are_the_end(texts: list[str], over: bool) -> None:
    assert Trace(ASKED, most=5).plus(*(Step("m", t) for t in texts)).over is over


def test_the_token_limit_is_the_end() -> None:
    assert Trace(ASKED).plus(Step("m", "a", 100)).over and not Trace(ASKED).plus(Step("m", "a", 99)).over
    assert Trace(ASKED).plus(Step("m", "a", 100)).reply().stop == "length"


@pytest.mark.parametrize(("text", "inside"), [("```py\nx\n\n", True), ("```\nx\n```\n\n", False), ("\\[ a\n\n", True),
                                              ("$$x$$", False), ("\\begin{align}\n\n", True)])
def test_blocks_of_code_and_mathematics(text: str, inside: bool) -> None:
    assert Trace(ASKED).plus(Step("m", text)).inside is inside


def test_another_stands_in_for_one_that_fails() -> None:
    writer = Writer("w", script=["one", "two"])
    assert write(Trace(ASKED), down("d"), writer).author == "w"
    assert write(Trace(ASKED), Scripted("silent", [None]), writer).author == "w"
    with pytest.raises(ModelError, match="e is down"):
        write(Trace(ASKED), down("d"), down("e"))
    begun = Trace(ASKED).plus(Step("w", "one\n\n"))
    assert write(begun, down("d"), down("e")) == Step("d", "", last=True), "what was begun stands"


@pytest.mark.parametrize(("said", "wrong"), [("Yes.", 0.0), ("no", 1.0), ("perhaps", None), (ModelError("gone", reason="down"), None)])
def test_a_judge_without_probabilities_is_taken_at_its_word(said: str | Exception, wrong: float | None) -> None:
    judge = Member(Scripted("j", [said]), 0, Run())
    assert asyncio.run(doubt(judge, put(ASKED, "check", answer="4"))) == wrong
    assert [a.reason for a in judge.run.absent] == (["down"] if isinstance(said, Exception) else [])
