"""Logit fusion: the pools of the catalogue, and real tiny models decoding together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from consilience.errors import NoAnswerError, TeamError
from consilience.learn.mixing import Pooled
from consilience.methods.token.logit_fusion import LogitFusion
from consilience.model import Model
from consilience.models.local import LocalHost, LocalModel
from consilience.team import Team
from consilience.types import Request, Scope
from tests.members import Scripted
from tests.methods.local import models
from tests.models.local.tiny import checkpoint

P, Q = [.9, .1], [.5, .5]


def pooled(how: str, *members: list[float], weights: tuple[float, ...] = (.5, .5), tau: float = 1.0) -> list[float]:
    logits = torch.tensor(members).log()[:, None]
    scores = Pooled(how, weights, tau).combine(logits)  # type: ignore[arg-type]
    return scores.softmax(-1)[0].tolist()


def test_arithmetic_geometric_and_certain() -> None:
    assert pooled("probabilities", P, Q) == pytest.approx([.7, .3], abs=1e-6)
    assert pooled("logits", P, Q) == pytest.approx([.75, .25], abs=1e-6)
    assert pooled("confidence", P, Q)[0] == pytest.approx(.7364, abs=1e-4)
    assert pooled("confidence", P, Q, tau=1e-3) == pytest.approx(P, abs=1e-6)


@pytest.mark.parametrize("how", ["logits", "probabilities", "confidence"])
def test_weight_zero_is_exactly_the_others(how: str) -> None:
    assert pooled(how, P, [1.0, 0.0], weights=(1, 0)) == pytest.approx(P, abs=1e-6)


@settings(max_examples=20)
@given(st.lists(st.lists(st.floats(-20, 20), min_size=4, max_size=4), min_size=2, max_size=4), st.floats(-50, 50))
def test_invariants(rows: list[list[float]], shift: float) -> None:
    logits = torch.tensor(rows)[:, None]
    equal = (1 / len(rows),) * len(rows)
    for how in ("logits", "probabilities", "confidence"):
        scores = Pooled(how, equal, 1.0).combine(logits).softmax(-1)  # type: ignore[arg-type]
        moved = logits.clone()
        moved[0] += shift
        assert torch.allclose(scores, Pooled(how, equal, 1.0).combine(moved).softmax(-1), atol=1e-3)  # type: ignore[arg-type]
        assert torch.allclose(scores, Pooled(how, equal, 1.0).combine(logits.flip(0)).softmax(-1), atol=1e-4)  # type: ignore[arg-type]
    assert torch.allclose(Pooled("logits", equal, 1.0).combine(logits).softmax(-1), logits.mean(0).softmax(-1), atol=1e-4)
    pool = Pooled("probabilities", equal, 1.0).combine(logits).exp()
    assert pool.sum().item() == pytest.approx(1, abs=1e-4)

    def entropy(p: torch.Tensor) -> float:
        return float(torch.special.entr(p).sum())
    assert entropy(pool) >= sum(entropy(row.softmax(-1)) for row in logits) / len(rows) - 1e-3


def test_equal_entropies_are_equal_weights() -> None:
    assert pooled("confidence", [.9, .1], [.1, .9]) == pytest.approx([.5, .5], abs=1e-6)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    return models(tmp_path_factory.mktemp("fusion"), 3)


REQUEST = Request.of("Say something.", form="answer").sampled(temperature=0.0, max_tokens=12)


def text(team: Team) -> str | None:
    return asyncio.run(team.generate(REQUEST))[0].text


@pytest.mark.parametrize("how", ["logits", "probabilities", "confidence"])
def test_copies_of_one_model_say_what_it_says(three: list[Model], how: str) -> None:
    [alone] = asyncio.run(three[0].generate(REQUEST))
    assert text(Team(LogitFusion(pool=how), [three[0]] * 2)) == alone.text  # type: ignore[arg-type]
    assert text(Team(LogitFusion(pool=how, weights=(1, 0, 0)), three)) == alone.text  # type: ignore[arg-type]


def test_members_decode_together_and_all_are_on_the_bill(three: list[Model]) -> None:
    [reply] = asyncio.run(Team(LogitFusion(), three).generate(REQUEST))
    assert reply.text and reply.usage.calls == 3 and len(reply.parts) == 1
    assert text(Team(LogitFusion(), three)) == reply.text == text(Team(LogitFusion(), three[::-1]))


def test_what_all_were_sent_stays_with_the_text_where_it_is_wanted(three: list[Model]) -> None:
    [reply] = asyncio.run(Team(LogitFusion(), three).generate(REQUEST, scope=Scope(extras=frozenset({"prompts"}))))
    assert [(m.role, m.name, m.content) for m in reply.parts[0].prompt] == [("user", None, "Say something.")]


def test_a_prompt_that_does_not_fit_is_an_absence_not_a_crash(three: list[Model]) -> None:
    with pytest.raises(NoAnswerError):
        asyncio.run(Team(LogitFusion(), three).generate(Request.of("long " * 2000)))


def test_what_cannot_decode_together_is_refused_when_bound(three: list[Model]) -> None:
    with pytest.raises(TeamError, match="NextTokens"):
        Team(LogitFusion(), [three[0], Scripted("text", ["A"])])
    with pytest.raises(TeamError, match="3 weights"):
        Team(LogitFusion(weights=(1.0,)), three)


def test_tau_is_learned_on_dev(three: list[Model]) -> None:
    from tests.methods.questions import split
    dev = split([("a", "A"), ("b", "B")], max_tokens=4)
    team = Team(LogitFusion(pool="confidence"), three[:2]).fit_sync(dev)
    assert team.method.found().values["tau"] == 1.0, "nothing is right, so the first is kept"


def test_a_member_with_nan_leaves_and_the_reply_says_so(three: list[Model], tmp_path: Path) -> None:
    """A single token's embedding is NaN: the member loads, and leaves the rows whose prompts have that token."""
    ill = LocalModel(poisoned(tmp_path / "ill", "model.embed_tokens.weight", ord("^")), host=three[0].host, name="ill")  # type: ignore[attr-defined]
    poison = REQUEST.having(messages=Request.of("Say 2^3.").messages)
    with_it, without = Team(LogitFusion(), [three[0], ill, three[1]]), Team(LogitFusion(), three[:2])
    [reply] = asyncio.run(with_it.generate(poison))
    assert [(a.member, a.reason) for a in reply.absent] == [("ill", "nan")] and "not finite" in reply.absent[0].detail
    assert reply.text == asyncio.run(without.generate(poison))[0].text
    [fine] = asyncio.run(with_it.generate(REQUEST))
    assert not fine.absent and fine.text != text(without)
    with pytest.raises(NoAnswerError, match="not finite"):
        asyncio.run(Team(LogitFusion(), [ill]).generate(poison))


def test_weights_of_nan_are_found_when_the_member_is_loaded(three: list[Model], tmp_path: Path) -> None:
    ill = LocalModel(poisoned(tmp_path / "ill", "lm_head.weight", 5), host=three[0].host, name="ill")  # type: ignore[attr-defined]
    with pytest.raises(NoAnswerError, match="its own logits are not finite numbers"):
        asyncio.run(Team(LogitFusion(), [ill]).generate(REQUEST))


def poisoned(folder: Path, name: str, row: int) -> Path:
    checkpoint(folder, seed=7)
    weights = load_file(folder / "model.safetensors")
    ids = LocalModel(folder, host=LocalHost()).chat.tokenizer.convert_tokens_to_ids([chr(row)])
    weights[name][ids[0] if row > 9 else row] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_an_empty_prompt_is_refused(tmp_path: Path) -> None:
    with LocalHost() as host:
        bare = LocalModel(checkpoint(tmp_path / "bare", template=None), host=host)
        with pytest.raises(NoAnswerError, match="0 tokens, at least one is needed"):
            asyncio.run(Team(LogitFusion(), [bare, bare]).generate(Request.of("")))


def test_weights_may_be_the_dev_scores(three: list[Model]) -> None:
    by_dev = Team(LogitFusion(weights="dev"), three, standing=(.2, .6, .2))
    assert text(by_dev) == text(Team(LogitFusion(weights=(1.0, 3.0, 1.0)), three))
    assert text(Team(LogitFusion(weights="dev"), three)) == text(Team(LogitFusion(), three)), "equal without dev"
    only = Team(LogitFusion(weights="dev"), three, standing=(0.0, .5, 0.0))
    assert text(only) == asyncio.run(three[1].generate(REQUEST))[0].text


def test_a_product_of_experts_is_sharper_and_of_logits_alone(three: list[Model]) -> None:
    assert text(Team(LogitFusion(product=True), three)) == text(Team(LogitFusion(), three)), "the likeliest token is the same"
    with pytest.raises(TeamError, match="product"):
        Team(LogitFusion(pool="probabilities", product=True), three)
