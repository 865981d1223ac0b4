"""DExperts-style contrast: the catalogue's numbers, roles, and real tiny models."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch

from consilience.errors import TeamError
from consilience.methods.token.contrast import Contrast, Steered
from consilience.team import Team
from consilience.types import Request
from tests.members import Scripted
from tests.methods.local import models

REQUEST = Request.of("Say something.", form="answer").sampled(temperature=0.0, max_tokens=12)


def steered(base: list[float], expert: list[float], anti: list[float], alpha: float, nucleus: float = 1.0,
            plausible: float = 0.0) -> list[float]:
    return Steered(alpha, nucleus, plausible).combine(torch.tensor([base, expert, anti])[:, None])[0].tolist()


def test_numbers_of_the_catalogue() -> None:
    z, up, down = [1.0, 1, 0], [2.0, 0, 0], [0.0, 2, 0]
    assert steered(z, up, down, .5, .9) == [2, 0, 0], "base .422 .422 .155: the nucleus of .9 keeps all three"
    assert steered(z, up, down, 1.0) == [3, -1, 0], "proxy tuning"
    assert steered(z, up, down, .5) == steered(z, down, up, -.5)
    assert steered(z, up, up, 2.0, .8) == [1, 1, float("-inf")] == steered(z, up, down, 0, .8)


def test_plausibility_is_a_share_of_the_bases_best() -> None:
    base = torch.tensor([.5, .3, .16, .04]).log().tolist()
    kept = [s > float("-inf") for s in steered(base, base, [0.0] * 4, 1.0, 1.0, .1)]
    assert kept == [True, True, True, False]


def test_the_nucleus_is_that_of_the_unsteered_base_and_never_empty() -> None:
    assert steered([9.0, 0, 0], [0.0, 99, 0], [0.0] * 3, 5.0, .5) == [9, float("-inf"), float("-inf")]


def test_real_models(tmp_path: Path) -> None:
    a, b, c = models(tmp_path, 3)
    [alone] = asyncio.run(a.generate(REQUEST))
    team = Team(Contrast(alpha=0.0), [a, b], base=a, expert=b, anti=c)
    [reply] = asyncio.run(team.generate(REQUEST))
    assert reply.text == alone.text and reply.usage.calls == 3
    proxy = Team(Contrast(alpha=1.0, nucleus=1.0), [a], base=a, expert=b, anti=a)
    [reply] = asyncio.run(proxy.generate(REQUEST))
    [tuned] = asyncio.run(b.generate(REQUEST))
    assert reply.text == tuned.text, "base == anti-expert is exactly the expert"
    default = Team(Contrast(), [a, b, c], standing=(.1, .9, .5))
    assert [default.cast.roles[r][0].card.name for r in ("base", "expert", "anti")] == ["m1", "m1", "m0"]
    with pytest.raises(TeamError, match="NextTokens"):
        Team(Contrast(), [a], anti=Scripted("x", ["A"]))
