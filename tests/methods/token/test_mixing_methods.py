"""PackLLM, domain mixing and fusion over several vocabularies, on tiny checkpoints."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consilience.method import Method
from consilience.methods.token.collaborative_speculation import CollaborativeSpeculation
from consilience.methods.token.contrastive_decoding import ContrastiveDecoding
from consilience.methods.token.deepen import Deepen
from consilience.methods.token.domain_mixing import DomainMixing
from consilience.methods.token.gac import Gac
from consilience.methods.token.logit_fusion import LogitFusion
from consilience.methods.token.pack_llm import PackLlm, weigh
from consilience.methods.token.speculative_cascade import Bild, SpeculativeCascade
from consilience.methods.token.top_bottom_contrast import TopBottomContrast
from consilience.methods.token.unite import Unite
from consilience.errors import TeamError
from consilience.models.local import LocalModel
from consilience.team import Team
from consilience.types import Reply, Request
from tests.methods.local import models
from tests.methods.questions import split

GREEDY = Request.of("Say something.", form="answer").sampled(temperature=0.0, max_tokens=10)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> list[LocalModel]:
    return models(tmp_path_factory.mktemp("tiny"), 3)


def said(method: Method, members: list[LocalModel], **more: Any) -> Reply:
    return asyncio.run(Team(method, members, **more).generate(GREEDY))[0]


def alone(member: LocalModel) -> str | None:
    return asyncio.run(member.generate(GREEDY))[0].text


def test_weights_by_surprise() -> None:
    two, four = .6931471805599453, 1.3862943611198906
    assert weigh([(two, 10**9), (four, 10**9)], 1.0) == pytest.approx([2 / 3, 1 / 3])
    assert weigh([(1., 8), (1., 8)], 1.0) == pytest.approx([.5, .5])
    assert weigh([(two, 8), (four, 8)], 0.0) == pytest.approx([.75, .25]), "eight tokens count as much as the shrinking"
    assert weigh([(0., 0), (1., 10**9), (3., 10**9)], 1.0)[0] == pytest.approx(weigh([(2., 10**9), (1., 10**9), (3., 10**9)], 1.0)[0])
    assert weigh([(0., 0), (0., 0)], 1.0) == [.5, .5]


def test_pack_llm_with_one_member_is_that_member(tiny: list[LocalModel]) -> None:
    assert said(PackLlm(), tiny[:1]).text == alone(tiny[0])
    reply = said(PackLlm(), tiny)
    assert sum(reply.note["weights"].values()) == pytest.approx(1, abs=1e-5) and reply.usage.calls == 6


def test_equal_weights_are_plain_fusion(tiny: list[LocalModel]) -> None:
    assert said(PackLlm(tau=1e9), tiny).text == said(LogitFusion(), tiny).text


def test_domain_mixing_at_temperature_zero_is_a_router(tiny: list[LocalModel]) -> None:
    dev = split([("add one", "A"), ("name it", "B")], max_tokens=4)
    team = Team(DomainMixing(tau=0.0), tiny).fit_sync(dev)
    found = team.method.found()
    merit = found.arrays["merit"].copy()
    merit[:] = [0.0, 1.0, 0.0]
    method = team.method.with_learned(found.values, **{**found.arrays, "merit": merit})
    assert said(method, tiny).text == alone(tiny[1])


def test_unions_over_one_vocabulary_are_the_plain_mean(tiny: list[LocalModel]) -> None:
    mean = said(LogitFusion(pool="probabilities"), tiny, standing=(.1, .2, .3)).text
    assert said(Gac(), tiny, standing=(.1, .2, .3)).text == mean
    assert said(Unite(top=10**6), tiny, standing=(.1, .2, .3)).text == mean
    assert said(Gac(gate=1e-9), tiny, standing=(.1, .9, .3)).text == alone(tiny[1]), "the best member is always sure enough"


def test_deepen_at_rate_zero_is_the_main_member(tiny: list[LocalModel]) -> None:
    assert said(Deepen(rate=0.0, anchors=1), tiny, standing=(.1, .9, .3)).text == alone(tiny[1])
    refused = said(Deepen(anchors=10**6), tiny, standing=(.1, .9, .3))
    assert refused.text == alone(tiny[1]) and "fallback" in refused.note and "share" in refused.absent[0].detail


def test_speculation_writes_what_it_speculates_on(tiny: list[LocalModel]) -> None:
    two = tiny[:2]
    mean = said(LogitFusion(pool="probabilities"), two).text
    assert said(CollaborativeSpeculation(), two).text == mean
    assert said(SpeculativeCascade(alpha=-9.0), two, target=two[0], draft=two[1]).text == alone(two[0])
    assert said(SpeculativeCascade(alpha=9.0), two, target=two[0], draft=two[1]).text == alone(two[1])
    assert said(Bild(surprise=1e9, sure=0.0), two, target=two[0], draft=two[1]).text == alone(two[1])
    assert said(Bild(surprise=1e9, sure=1.0), two, target=two[0], draft=two[1]).text == alone(two[0])
    with pytest.raises(TeamError, match="between 0 and 1"):
        Team(CollaborativeSpeculation(share=1.0), two)


def test_contrasts_of_a_member_with_itself_are_that_member(tiny: list[LocalModel]) -> None:
    assert said(ContrastiveDecoding(), tiny, expert=tiny[2], amateur=tiny[2]).text == alone(tiny[2])
    assert said(TopBottomContrast(strength=0.0), tiny, standing=(.1, .9, .3)).text == alone(tiny[1])
    with pytest.raises(TeamError, match="at least 4 members"):
        Team(TopBottomContrast(k=2), tiny)
