"""What was last stated counts, and an unread reply wins nothing that another could win."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from consilience.compare import legible, stated
from consilience.gather import Member, Run, Wave
from consilience.method import Method
from consilience.methods.text.llm_blender import LlmBlender
from consilience.methods.text.medoid_vote import MedoidVote
from consilience.methods.text.multiagent_feedback import MultiagentFeedback
from consilience.methods.text.refine import MultiagentRefine
from consilience.methods.text.structured_interaction import StructuredInteraction
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(4))


def wave(*said: str | None) -> Wave:
    """One reply of each member; a capital letter can be read, None is an absence."""
    members = tuple(Member(Scripted(f"m{i}", []), i, Run()) for i in range(len(said)))
    return Wave(members, tuple(() if text is None else (Reply(text, text if text.isupper() else None),) for text in said))


@pytest.mark.parametrize(("before", "after", "kept"), [
    ("A", "B", "B"), ("A", "hm", "A"), ("hm", "oh", "oh"), ("A", None, "A"), (None, "B", "B"), (None, None, None)])
def test_what_was_last_stated(before: str | None, after: str | None, kept: str | None) -> None:
    [replies] = stated(wave(before), wave(after)).by_member
    assert [r.text for r in replies] == ([] if kept is None else [kept])


def test_legible() -> None:
    replies: Sequence[Reply] = wave("hm", "A", "oh").replies
    assert [r.text for r in legible(replies)] == ["A"]
    assert [r.text for r in legible(wave("hm", "oh").replies)] == ["hm", "oh"]


def forgetful(name: str, letter: str) -> Scripted:
    """States an answer at first, and only comments once it has read others."""
    return Scripted(name, lambda request, draw: letter if request.form == "answer" else "let us think about this")


@pytest.mark.parametrize("method", [MultiagentRefine(), MultiagentFeedback(), StructuredInteraction(structure="complete"), LlmBlender()])
def test_members_that_only_comment_later_keep_their_first_votes(method: Method) -> None:
    members = [forgetful("a", "A"), forgetful("b", "B"), forgetful("c", "B")]
    [reply] = asyncio.run(Team(method, members, standing=(.1, .2, .3)).generate(QUESTION))
    assert reply.reading == "B" and not reply.unread


@pytest.mark.parametrize("method", [MedoidVote(), StructuredInteraction(rounds=1), LlmBlender(top=1)])
def test_an_unread_text_wins_nothing_that_another_could_win(method: Method) -> None:
    best = Scripted("best", ["no idea at all"])
    members = [best, Scripted("b", ["no idea either"]), Scripted("c", ["no idea"]), Scripted("d", ["B"])]
    [reply] = asyncio.run(Team(method, members, standing=(.9, .2, .3, .1)).generate(QUESTION))
    assert reply.reading == "B"
