"""A cascade by the token: its two ends are the two models, and the note says who wrote what."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import torch

import consilience as cs
from consilience.decode.policy import Sight
from consilience.methods.token.entropy_cascade import EntropyCascade, Unsure
from consilience.models.local import LocalHost, LocalModel
from consilience.team import Team
from consilience.types import Request
from tests.methods.local import models
from tests.methods.questions import split
from tests.models.local.tiny import network

REQUEST = Request.of("Say something.", form="answer").sampled(temperature=0.0, max_tokens=12)


def seen(p: list[float], known: bool = True) -> Sight:
    logits = [torch.tensor([p]).log(), torch.zeros(1, len(p))]
    none = torch.zeros(2, 1, dtype=torch.bool)
    row = torch.zeros(1)
    return Sight(logits, torch.tensor([[known], [False]]), none, [None, None], row.long(), row[:, None], row, row.long(), row.long())


@pytest.mark.parametrize(("p", "entropy"), [([.25] * 4, 1.3863), ([.97, .01, .01, .01], .1677), ([.4, .3, .2, .1], 1.2799)])
def test_numbers_of_the_catalogue(p: list[float], entropy: float) -> None:
    for most, asks in ((entropy + 1e-3, False), (entropy - 1e-3, True)):
        ask = Unsure(most).decide(seen(p)).ask
        assert ask is not None and ask[:, 0].tolist() == [False, asks]
    first = Unsure(0).decide(seen(p, known=False)).ask
    assert first is not None and first[:, 0].tolist() == [True, False]


def test_real_models(tmp_path: Path) -> None:
    a, b, _ = members = models(tmp_path, 3)
    said = {m.card.name: asyncio.run(m.generate(REQUEST))[0].text for m in members}
    notes = []
    for most, calls in ((99.0, 1), (2.9, 2), (-1.0, 2)):
        team = Team(EntropyCascade(most=most), members, small=a, large=b)
        [reply] = asyncio.run(team.generate(REQUEST))
        notes.append(reply.note)
        assert reply.usage.calls == calls
        assert sum(reply.note["wrote"].values()) == reply.note["asked"]["m0"]
        if most != 2.9:
            assert reply.text == said["m0" if most > 0 else "m1"]
    shares = [n["wrote"]["m1"] for n in notes]
    assert shares[0] == 0 and shares == sorted(shares), "the smaller the bound, the more the large one writes"
    assert notes[2]["wrote"]["m0"] == 0


def test_the_bound_is_learned_on_dev(tmp_path: Path) -> None:
    dev = split([("a", "A"), ("b", "B")], max_tokens=4)
    team = Team(EntropyCascade(), models(tmp_path, 3), standing=(.1, .2, .3)).fit_sync(dev)
    assert team.method.found().values["most"] == 2.0, "nothing is right, so the first is kept"


def test_the_embedded_pools_two_families_write_one_text() -> None:
    """Words and bytes: at the ends of the bound it is each one's own text, in between both write."""
    with LocalHost(memory=1 << 30) as host:
        small, large = (cs.member(f"nursery/{name}", host=host) for name in ("garden", "second_garden"))
        asked = [e.request.sampled(temperature=0.0, max_tokens=30, stop=("=",)) for e in cs.task("nursery").dev[:8]]

        async def all_of(model: cs.Model) -> list[cs.Reply]:
            return [reply for [reply] in await asyncio.gather(*(model.generate(r) for r in asked))]

        def team(most: float) -> cs.Model:
            return Team(EntropyCascade(most=most), [small, large], small=small, large=large)

        for most, model in ((99.0, small), (-1.0, large)):
            assert [r.text for r in asyncio.run(all_of(team(most)))] == [r.text for r in asyncio.run(all_of(model))]
        both = asyncio.run(all_of(team(0.1)))
        wrote = [sum(r.note["wrote"][m.card.name] for r in both) for m in (small, large)]
        assert min(wrote) > 0 and all("=" not in (r.text or "") for r in both)


def test_the_text_ends_with_the_end_of_whoever_writes(tmp_path: Path) -> None:
    a, b = models(tmp_path, 2)
    prompt = b.chat.ids(b.chat.prompt(REQUEST, b.card).text)
    alone = network("llama", 262, 1).generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False, pad_token_id=0)
    new = alone[0, len(prompt):].tolist()
    folder = tmp_path / "m1"
    facts = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps({**facts, "eos_token_id": new[3]}))
    team = Team(EntropyCascade(most=-1.0), [a, b], small=a, large=LocalModel(folder, host=a.host))
    [reply] = asyncio.run(team.generate(REQUEST))
    assert reply.stop == "stop" and reply.text == b.chat.text(new[:new.index(new[3])])
