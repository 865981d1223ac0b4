"""Panel and judge: the verdict, and what the writer sees of it."""

from __future__ import annotations

import asyncio
import json

from consilience.errors import ModelError
from consilience.methods.text.panel import Panel, parsed
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Answer, Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))
VERDICT = {"consensus": ["it is early"], "contradictions": ["A or B"], "unique_insights": [], "blind_spots": ["the weather"]}


def run(said: Answer, letters: str = "AB", wrote: str = "The answer is C.") -> tuple[Reply, Scripted]:
    writer = Scripted("writer", [wrote])
    members = [Scripted(f"m{i}", [f"The answer is {x}."]) for i, x in enumerate(letters)]
    team = Team(Panel(), members, judge=Scripted("judge", [said]), writer=writer)
    return asyncio.run(team.generate(QUESTION))[0], writer


def test_the_writer_reads_answers_and_verdict_and_the_reply_keeps_it() -> None:
    reply, writer = run(f"Here it is: {json.dumps(VERDICT)} Done.")
    assert reply.reading == "C" and reply.usage.calls == 4
    assert reply.note["verdict"] == {k: v for k, v in VERDICT.items() if v}
    assert "blind spots: the weather" in writer.prompts[0] and "The answer is B." in writer.prompts[0]


def test_a_verdict_in_prose_is_handed_on_and_a_missing_one_is_none() -> None:
    reply, writer = run("They disagree { badly }")
    assert "They disagree { badly }" in writer.prompts[0] and reply.note["verdict"] is None
    _, writer = run(ModelError("gone", reason="down"))
    assert "<<<\nnone\n>>>" in writer.prompts[0]


def test_a_writer_that_cannot_be_read_leaves_the_vote() -> None:
    assert run("{}", letters="ABB", wrote="hm")[0].reading == "B"


def test_a_panel_of_one_answers_itself() -> None:
    assert run("{}", letters="D")[0].usage.calls == 1


def test_verdicts_are_read_from_what_models_write() -> None:
    assert parsed('```json\n{"consensus": "one text", "other": 1}\n```') == {"consensus": ["one text"]}
    assert parsed("[1, 2]") == parsed("{broken") == parsed("") == parsed('{"a": 1}') == {}
