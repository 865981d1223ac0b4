"""The assembly line: who reads which document, and how often the engineer debugs."""

from __future__ import annotations

import asyncio

import pytest

from consilience.methods.text.metagpt import Metagpt
from consilience.team import Team
from tests.members import Scripted
from tests.methods.text.test_standard_procedure import QUESTION, RIGHT, TESTS, WRONG, asked, by_role, needs_sandbox

ROLES = {"product manager": ["THE-REQUIREMENTS"], "architect": ["THE-DESIGN"], "project manager": ["THE-TASKS"]}
READS = {"architect": "REQUIREMENTS", "project manager": "REQUIREMENTS DESIGN", "engineer": "DESIGN TASKS", "qa engineer": "REQUIREMENTS"}


def line(coder: list[str]) -> Scripted:
    return by_role(**ROLES, engineer=coder, **{"qa engineer": [TESTS]})


@needs_sandbox
def test_each_role_sees_what_it_subscribes_to() -> None:
    member = line([RIGHT])
    [reply] = asyncio.run(Team(Metagpt(), [member]).generate(QUESTION))
    assert reply.text == RIGHT and reply.usage.calls == 5 and reply.note["tests"] == {"program": "passed"}
    for role, documents in READS.items():
        seen = {word for word in ("REQUIREMENTS", "DESIGN", "TASKS") if f"THE-{word}" in asked(member, role)[0]}
        assert seen == set(documents.split()), role


@needs_sandbox
@pytest.mark.parametrize("repairs", [1, 3])
def test_the_engineer_debugs_as_often_as_stated_and_the_tests_stay(repairs: int) -> None:
    member = line([WRONG])
    [reply] = asyncio.run(Team(Metagpt(repairs=repairs), [member]).generate(QUESTION))
    assert len(asked(member, "engineer")) == 1 + repairs and len(asked(member, "qa engineer")) == 1
    assert reply.usage.calls == 5 + repairs and reply.note["repairs"] == repairs
