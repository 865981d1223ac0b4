"""Drafting and checking: the same distribution as in lockstep, the same greedy text, fewer forwards of the checker."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency

from consilience.decode.binding import Bound
from consilience.decode.policy import Speculation
from consilience.decode.row import Row
from consilience.decode.sampler import noise_key
from consilience.decode.tensors import MeanLogits, Only, log_probs, mix_log
from consilience.model import Combiner
from consilience.types import Sampling
from tests.decode.scenes import VOCABULARY, bound, broken, prompt, row, run
from tests.models.local.tiny import network

TINY = 7
"""A vocabulary small enough that three tokens have few outcomes."""


@dataclass(frozen=True)
class MeanProbabilities:
    def combine(self, logits: torch.Tensor) -> torch.Tensor:
        return mix_log(torch.full((len(logits),), 1 / len(logits)), log_probs(logits))


@dataclass(frozen=True)
class Cascade:
    """The drafter's distribution where it is as sure as the other, else the other's."""

    def combine(self, logits: torch.Tensor) -> torch.Tensor:
        p, q = log_probs(logits)
        return torch.where(q.amax(-1, keepdim=True) >= p.amax(-1, keepdim=True) - 0.1, q, p)


SCHEMES = [Speculation(Only(0)), Speculation(Only(0), length=1), Speculation(Only(0), sure=0.4, length=6),
           Speculation(MeanLogits()), Speculation(MeanProbabilities(), turns=True, turn_length=2),
           Speculation(Cascade(), sure=0.3), Speculation(Only(0), adaptive=True, length=2)]


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_greedy_text_is_that_of_lockstep(scheme: Speculation) -> None:
    models = [bound("llama"), bound("qwen2")]
    plain, drafted = ([row((prompt(i), prompt(i + 50)), limit=3 + 3 * i) for i in range(9)] for _ in range(2))
    run(models, plain, scheme.combiner, lanes=4)
    run(models, drafted, scheme, lanes=4)
    assert [r.ids for r in drafted] == [r.ids for r in plain]
    assert all(r.emitted == r.limit and r.draft == [] for r in drafted)


@pytest.mark.parametrize("sampling", [Sampling(temperature=1), Sampling(temperature=0.6, top_p=0.8),
                                      Sampling(temperature=1, repetition_penalty=2.0, top_k=4)], ids=str)
@pytest.mark.parametrize("scheme", [SCHEMES[0], SCHEMES[2], SCHEMES[4], SCHEMES[5]], ids=str)
def test_three_tokens_are_distributed_as_in_lockstep(scheme: Speculation, sampling: Sampling) -> None:
    """Chi-square over all outcomes of three tokens, 3,000 rows on each side, with noise of their own."""
    both = [texts(scheme.combiner, sampling), texts(scheme, sampling)]
    outcomes = sorted(set(both[0]) | set(both[1]))
    table = np.array([[side[o] for o in outcomes] for side in both])
    common = table.sum(0) >= 20
    table = np.column_stack([table[:, common], table[:, ~common].sum(1)])
    table = table[:, table.sum(0) > 0]
    if table.shape[1] > 1:
        assert chi2_contingency(table).pvalue > 1e-3, table


@cache
def texts(combiner: Combiner, sampling: Sampling, count: int = 3000) -> Counter[tuple[int, ...]]:
    models = [bound("llama", vocabulary=TINY), bound("qwen2", vocabulary=TINY)]
    asked = prompt(3, 6, TINY)
    rows = [row((asked, asked[1:]), sampling, noise=noise_key(str(combiner), i), limit=3) for i in range(count)]
    run(models, rows, combiner, lanes=count, vocabulary=TINY)
    return Counter(tuple(r.ids) for r in rows)


def test_the_test_would_notice_a_wrong_distribution() -> None:
    sampling = Sampling(temperature=1)
    a, b = texts(Only(0), sampling), texts(Only(1), sampling)
    outcomes = sorted(set(a) | set(b))
    assert chi2_contingency(np.array([[s[o] + 1 for o in outcomes] for s in (a, b)])).pvalue < 1e-6


def test_a_perfect_drafter_saves_forwards_of_the_target() -> None:
    model = bound("llama")
    one = row((prompt(1), prompt(1)), limit=20)
    run([model, model], [one], Speculation(Only(0), length=4))
    assert one.asked[0] == 4, "four cycles of four drafts and a token for free"
    assert one.drafted == one.kept == 16
    assert Counter(one.authors) == {1: 16, 0: 4}


def test_taking_turns_scores_every_token_by_everybody_and_never_costs_more_than_lockstep() -> None:
    models = [bound("llama"), bound("qwen2"), bound("llama", 3)]
    plain, turns = (row([prompt(1)] * 3, limit=24) for _ in range(2))
    run(models, [plain], MeanLogits())
    run(models, [turns], Speculation(MeanLogits(), drafter=2, length=2, turns=True))
    assert turns.ids == plain.ids
    assert sum(turns.asked[:2]) <= sum(plain.asked[:2])


def test_a_rows_draws_do_not_depend_on_its_company() -> None:
    models, scheme = [bound("llama"), bound("qwen2")], Speculation(MeanLogits(), length=3)
    sampling = Sampling(temperature=1.0, top_p=0.95)
    alone, again = (row([prompt(1)] * 2, sampling, noise=5, limit=20) for _ in range(2))
    run(models, [alone], scheme)
    crowd = [row([prompt(i)] * 2, replace(sampling, temperature=0.3 * (i % 4)), noise=i, limit=4 + i) for i in range(12)]
    run(models, [*crowd[:5], again, *crowd[5:]], scheme, lanes=7)
    assert again.ids == alone.ids


def test_end_tokens_and_watchers_end_a_row_within_a_draft() -> None:
    models, scheme = [bound("llama"), bound("llama")], Speculation(Only(0), length=6)
    free = row([prompt(3)] * 2, limit=12)
    run(models, [free], scheme)
    stopped = row([prompt(3)] * 2, limit=12, stop=frozenset({free.ids[4]}))
    watched = row([prompt(3)] * 2, limit=12, watch=lambda ids: len(ids) == 3)
    run(models, [stopped, watched], scheme)
    assert stopped.ids == free.ids[:free.ids.index(free.ids[4])] and stopped.reason == "stop"
    assert watched.ids == free.ids[:3] and watched.reason == "stop"


@pytest.mark.parametrize("place", [0, 1])
def test_a_member_whose_numbers_are_not_finite_leaves_and_the_row_goes_on(place: int) -> None:
    sound = bound("llama")
    models = [sound, sound]
    models[place] = broken()
    fused, alone = (row([prompt(4)] * n, limit=8) for n in (2, 1))
    run(models, [fused], Speculation(MeanLogits(), length=3))
    run([sound], [alone])
    assert fused.ids == alone.ids and list(fused.gone) == [place]


def test_a_drafter_that_is_lost_leaves_the_target_writing_alone() -> None:
    one, alone = (row([prompt(4)] * n, limit=8) for n in (2, 1))
    run([bound("llama"), broken()], [one], Speculation(Only(0)))
    run([bound("llama")], [alone])
    assert one.ids == alone.ids and list(one.gone) == [1]
    lost = row([prompt(4)] * 2, limit=8)
    run([broken(), bound("llama")], [lost], Speculation(Only(0)))
    assert lost.reason == "error" and list(lost.gone) == [0]


@pytest.mark.parametrize("penalty", [1.0, 2.0])
def test_rows_that_a_member_left_share_a_batch_with_whole_ones(penalty: float) -> None:
    """One member cannot read token 3: it leaves the rows with it, and each row's text is what it is alone."""
    sound, net = bound("llama"), network("qwen2", VOCABULARY, 3, tie_word_embeddings=False)
    with torch.no_grad():
        net.get_input_embeddings().weight[3] = torch.nan
    blind = Bound(net, 512, None, bound("qwen2").verdict)
    sampling = Sampling(temperature=0, repetition_penalty=penalty)

    def rows() -> list[Row]:
        prompts = [tuple(i if i != 3 else 4 for i in prompt(n, 5 + n)) + (3,) * (n % 2) for n in range(5)]
        return [row([ids, ids], sampling, noise=n, limit=24) for n, ids in enumerate(prompts)]

    together, alone = rows(), rows()
    run([sound, blind], together, Speculation(MeanLogits(), length=3))
    for one in alone:
        run([sound, blind], [one], Speculation(MeanLogits(), length=3))
    assert [r.ids for r in together] == [r.ids for r in alone] and all(r.emitted == 24 for r in together)
    assert all(list(together[n].gone) == [1] for n in (1, 3)) and not together[0].gone
