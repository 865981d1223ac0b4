"""Choosing tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.decode.sampler import Plan, noise_key, uniforms
from consilience.types import Sampling

CPU = torch.device("cpu")


def plan(samplings: list[Sampling], vocabulary: int, keys: list[int] | None = None,
         texts: list[tuple[int, ...]] | None = None) -> Plan:
    return Plan.of(samplings, keys or list(range(len(samplings))), vocabulary, texts or [()] * len(samplings), CPU)


def test_greedy_ties_go_to_the_lowest_id() -> None:
    scores = torch.tensor([[0.0, 2.0, 2.0, 1.0], [3.0, 3.0, 3.0, 3.0]])
    assert plan([Sampling(temperature=0)] * 2, 4).choose(scores, [0, 0]).tolist() == [1, 0]


def test_noise_is_uniform_and_depends_on_key_and_index_alone() -> None:
    noise = uniforms([noise_key("a", i) for i in range(4000)], [3] * 4000)
    assert abs(noise.mean() - 0.5) < 0.02
    assert np.histogram(noise, 10, (0, 1))[0].min() > 320
    assert uniforms([7, 9], [1, 2])[1] == uniforms([9], [2])[0]
    assert len({float(u) for u in uniforms([7] * 50, list(range(50)))}) == 50


def counts(sampling: Sampling, scores: torch.Tensor, n: int = 4000) -> torch.Tensor:
    rows = scores.expand(n, -1)
    chosen = plan([sampling] * n, rows.shape[1], [noise_key("x", i) for i in range(n)]).choose(rows, [0] * n)
    return torch.bincount(chosen, minlength=rows.shape[1]).float() / n


def test_draws_follow_the_distribution() -> None:
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    assert torch.allclose(counts(Sampling(temperature=1), p.log()), p, atol=0.03)
    hot = torch.softmax(p.log() / 2, -1)
    assert torch.allclose(counts(Sampling(temperature=2), p.log()), hot, atol=0.03)


@pytest.mark.parametrize(("sampling", "kept"), [
    (Sampling(temperature=1, top_k=2), [0.625, 0.375, 0, 0]),
    (Sampling(temperature=1, top_p=0.75), [0.625, 0.375, 0, 0]),
    (Sampling(temperature=1, top_p=1e-6), [1, 0, 0, 0]),
    (Sampling(temperature=1, min_p=0.5), [0.625, 0.375, 0, 0]),
    (Sampling(temperature=1, top_k=3, top_p=0.6), [0.625, 0.375, 0, 0]),
])
def test_filters(sampling: Sampling, kept: list[float]) -> None:
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    assert torch.allclose(counts(sampling, p.log()), torch.tensor(kept, dtype=torch.float32), atol=0.03)


def test_the_repetition_penalty_looks_at_prompt_and_new_tokens() -> None:
    scores = torch.tensor([[2.0, 1.9, -1.0]])
    told = plan([Sampling(temperature=0, repetition_penalty=1.5)], 3, texts=[(0,)])
    assert told.choose(scores, [0]).tolist() == [1]
    assert told.choose(scores, [1]).tolist() == [0]       # both punished alike now: 2/1.5 > 1.9/1.5
    assert plan([Sampling(temperature=0)], 3, texts=[(0,)]).choose(scores, [0]).tolist() == [0]


samplings = st.builds(Sampling, temperature=st.sampled_from([0.0, 0.5, 1.0]), top_p=st.sampled_from([1.0, 0.8]),
                      top_k=st.sampled_from([None, 1, 3]), min_p=st.sampled_from([0.0, 0.1]),
                      repetition_penalty=st.sampled_from([1.0, 1.3]))


@settings(max_examples=30)
@given(rows=st.lists(samplings, min_size=2, max_size=6), seed=st.integers(0, 1000))
def test_a_rows_token_depends_on_nothing_else(rows: list[Sampling], seed: int) -> None:
    scores = torch.randn(len(rows), 40, generator=torch.Generator().manual_seed(seed)) * 3
    texts = [(i, i + 1) for i in range(len(rows))]
    together = plan(rows, 40, texts=texts).choose(scores, list(range(len(rows))))
    for i, sampling in enumerate(rows):
        alone = plan([sampling], 40, [i], [texts[i]]).choose(scores[i:i + 1], [i])
        assert int(alone[0]) == int(together[i])
