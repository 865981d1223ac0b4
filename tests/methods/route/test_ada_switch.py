"""AdaSwitch: which steps are judged, and who writes the wrong ones again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consilience.methods.route.ada_switch import AdaSwitch
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer
from tests.methods.questions import split
from tests.methods.route.writers import Writer, failing, steps_of

QUESTION = Request.of("Why?", form="answer", format=Choice(4))
LOCAL = ["one", "two", "three", "Answer: A"]
CLOUD = ["ONE", "TWO", "THREE", "Answer: B"]


class Judging(Writer):
    """A local model that finds mistakes where the last step holds a given word."""

    wrong: str = ""

    def write(self, request: Request, draw: int) -> Answer:
        if request.form == "check":
            return "no" if self.wrong in request.question.rpartition("which is:")[2] else "yes"
        return super().write(request, draw)


def local(wrong: str) -> Judging:
    made = Judging("local", script=LOCAL)
    made.wrong = wrong
    return made


def run(one: Writer, cloud: Writer, **options: Any) -> Reply:
    team = Team(AdaSwitch(**options), [cloud, one], local=one, cloud=cloud)
    return asyncio.run(team.generate(QUESTION))[0]


def test_no_mistake_no_cloud() -> None:
    cloud = Writer("cloud", script=CLOUD)
    reply = run(local("zebra"), cloud)
    assert not cloud.asked and reply.text == "\n\n".join(LOCAL) and reply.usage.calls == 8


def test_all_wrong_is_one_cloud_call_per_step() -> None:
    one, cloud = local(""), Writer("cloud", script=CLOUD)
    reply = run(one, cloud)
    assert reply.text == "\n\n".join(CLOUD) and len(cloud.asked) == 4 and reply.note["wrong"] == [1.0] * 4
    assert reply.usage.calls == 12, "steps of the cloud are not judged"


def test_exactly_the_wrong_step_is_replaced_and_the_cloud_sees_what_stands_before_it() -> None:
    cloud = Writer("cloud", script=CLOUD)
    reply = run(local("two"), cloud)
    assert reply.text == "one\n\nTWO\n\nthree\n\nAnswer: A" and reply.note["authors"] == ["local", "cloud", "local", "local"]
    assert [r.prefix for r in cloud.asked] == ["one\n\n"]


def test_the_finish_is_judged_too() -> None:
    assert run(local("Answer: A"), Writer("cloud", script=CLOUD)).reading == "B"


def test_a_correction_that_changes_nothing_is_taken() -> None:
    reply = run(local("two"), Writer("cloud", script=LOCAL))
    assert reply.text == "\n\n".join(LOCAL) and reply.note["authors"][1] == "cloud"


def test_a_verdict_that_cannot_be_read_lets_the_step_pass_and_is_counted() -> None:
    one, cloud = Writer("local", script=LOCAL, other={"check": "hm"}), Writer("cloud", script=CLOUD)
    reply = run(one, cloud)
    assert reply.note["wrong"] == [None] * 4 and not cloud.asked


def test_the_local_model_rewrites_at_most_twice() -> None:
    one, cloud = local("two"), Writer("cloud", script=CLOUD)
    reply = run(one, cloud, mode="reflect")
    assert not cloud.asked and reply.text == "\n\n".join(LOCAL)
    again = [r for r in steps_of(one) if "judged wrong" in r.question]
    assert len(again) == 2 and "two" in again[0].question and again[0].form == "answer" and again[0].prefix == "one\n\n"


@pytest.mark.parametrize(("threshold", "calls"), [(.5, 1), (.8, 0), (.2, 4)])
def test_a_probability_is_compared_with_the_threshold(threshold: float, calls: int) -> None:
    one = Writer("local", script=LOCAL, sure=lambda r: .7 if "which is:\n<<<\ntwo" in r.question else .3)
    cloud = Writer("cloud", script=CLOUD)
    reply = run(one, cloud, threshold=threshold)
    assert len(cloud.asked) == calls
    if not calls:
        assert reply.note["wrong"] == pytest.approx([.3, .7, .3, .3])


def test_dev_chooses_the_threshold() -> None:
    one = Writer("local", script=LOCAL, sure=lambda r: .6 if "Answer" in r.question else .4)
    cloud = Writer("cloud", script=[*CLOUD[:3], "Answer: C"])
    team = Team(AdaSwitch(threshold=None), [cloud, one], local=one, cloud=cloud).fit_sync(split([("Why?", "C"), ("How?", "C")]))
    assert team.method.found().values["threshold"] < .6


def test_failures() -> None:
    assert run(failing("local"), Writer("cloud", script=CLOUD)).text == "\n\n".join(CLOUD)
    reply = run(local(""), failing("cloud"))
    assert reply.text == "\n\n".join(LOCAL) and {a.member for a in reply.absent} == {"cloud"}


def test_one_model_answers_alone() -> None:
    writer = Writer("w", script=LOCAL)
    assert asyncio.run(Team(AdaSwitch(), [writer]).generate(QUESTION))[0].usage.calls == 1
