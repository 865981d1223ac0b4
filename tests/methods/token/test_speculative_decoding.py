"""Speculative decoding: the target's text, on tiny random models and on the embedded pool."""

from __future__ import annotations

import asyncio
from pathlib import Path

import consilience as cs
from consilience.methods.token.speculative_decoding import SpeculativeDecoding
from consilience.models.local import LocalHost
from consilience.team import Team
from consilience.types import Request
from tests.methods.local import models

REQUEST = Request.of("Say something.", form="answer").sampled(temperature=0.0, max_tokens=12)


def test_greedy_text_and_roles(tmp_path: Path) -> None:
    a, b, c = models(tmp_path, 3)
    team = Team(SpeculativeDecoding(length=3), [a, b, c], standing=(.1, .9, .5))
    assert [team.cast.roles[r][0].card.name for r in ("target", "draft")] == ["m1", "m0"]
    [reply] = asyncio.run(team.generate(REQUEST))
    [alone] = asyncio.run(b.generate(REQUEST))
    assert reply.text == alone.text and reply.usage.calls == 2
    assert reply.note["drafted"] >= reply.note["kept"] >= 0
    twins = Team(SpeculativeDecoding(length=3), [b], target=b, draft=b)
    [reply] = asyncio.run(twins.generate(REQUEST))
    assert reply.text == alone.text and reply.note["drafted"] == reply.note["kept"] == 9


def test_the_embedded_pools_generalist_keeps_its_text() -> None:
    """Greedy, on questions of the pool's own task: what the generalist says alone, whoever drafts for it."""
    with LocalHost(memory=1 << 30) as host:
        target, draft = (cs.member(f"nursery/{name}", host=host) for name in ("generalist", "garden"))
        team = Team(SpeculativeDecoding(sure=0.3), [target, draft], target=target, draft=draft)
        asked = [e.request.sampled(temperature=0.0, max_tokens=24) for e in cs.task("nursery").dev[:12]]

        async def all_of(model: cs.Model) -> list[str | None]:
            return [reply.text for [reply] in await asyncio.gather(*(model.generate(r) for r in asked))]

        assert asyncio.run(all_of(team)) == asyncio.run(all_of(target))
