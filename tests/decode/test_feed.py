"""Prompts that begin alike are read together as far as they do, and nothing else changes by it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.decode.feed import Feed
from consilience.types import Sampling
from tests.decode.scenes import VOCABULARY, bound, prompt, row, run

FAMILIES = ["llama", "qwen2", "mistral", "gpt2", "gemma3"]


def fed(family: str, prompts: Sequence[tuple[int, ...]], wants: list[int] | None = None) -> tuple[torch.Tensor, int]:
    """Logits at the end of prompts that join at once, and the tokens that were pushed for it."""
    slots = bound(family).slots()
    pushed: list[int] = []
    push = slots.push_with_states
    slots.push_with_states = lambda at, ids, **k: (pushed.extend(map(len, ids)), push(at, ids, **k))[1]    # type: ignore
    rows = [row([ids]) for ids in prompts]
    for one in rows:
        one.asked, one.read = [0], [0]
    slots.open(len(rows))
    logits, _ = Feed(slots, 0, VOCABULARY).ask(range(len(rows)), rows, wants)
    assert slots.length == [len(ids) for ids in prompts] and [one.read for one in rows] == [[len(ids)] for ids in prompts]
    return logits, sum(pushed)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_common_beginning_is_read_once_and_changes_no_bit(family: str) -> None:
    common = prompt(1, 150)
    prompts = [common + prompt(seed, 8 + 3 * seed) for seed in range(2, 8)]
    together, pushed = fed(family, prompts)
    assert pushed == 148 + sum(len(ids) - 148 for ids in prompts), "sixteen of the shortest are left"
    for i, ids in enumerate(prompts):
        alone, all_of_it = fed(family, [ids])
        assert all_of_it == len(ids) and torch.equal(alone[0], together[i])


def test_equal_prompts_and_prompts_that_are_the_beginning_of_others() -> None:
    common = prompt(1, 130)
    prompts = [common, common + prompt(2, 9), common, common + prompt(2, 9), common + prompt(3, 30), common[:110]]
    together, pushed = fed("llama", prompts)
    assert pushed == 94 + sum(len(ids) - 94 for ids in set(prompts)), "sixteen of the shortest are left"
    assert all(torch.equal(fed("llama", [ids])[0][0], together[i]) for i, ids in enumerate(prompts))


def test_what_saves_little_is_read_as_it_is() -> None:
    for common, n in ((150, 2), (60, 9)):
        prompts = [prompt(1, common) + prompt(seed, 20) for seed in range(2, 2 + n)]
        assert fed("llama", prompts)[1] == n * (common + 20)


def test_distributions_that_are_wanted_further_back_are_there() -> None:
    common = prompt(1, 140)
    prompts, wants = [common + prompt(seed, 10 * seed) for seed in (1, 2, 3, 4)], [15, 30, 8, 1]
    together, pushed = fed("llama", prompts, wants)
    assert pushed == 120 + sum(len(ids) - 120 for ids in prompts)
    for i, (ids, want) in enumerate(zip(prompts, wants, strict=True)):
        assert torch.allclose(fed("llama", [ids], [want])[0][0, -want:], together[i, -want:], atol=1e-5)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 200), st.integers(0, 40)), min_size=1, max_size=7))
@settings(max_examples=25, deadline=None)
def test_whatever_joins_reads_what_it_would_alone(shapes: list[tuple[int, int, int]]) -> None:
    prompts = [prompt(start, 200)[:size] + prompt(100 + i, more) if more else prompt(start, 200)[:size] for i, (start, size, more) in enumerate(shapes)]
    together, pushed = fed("llama", prompts)
    assert pushed <= sum(map(len, prompts))
    assert all(torch.allclose(fed("llama", [ids])[0][0], together[i], atol=1e-4) for i, ids in enumerate(prompts))


def test_a_text_is_the_same_beside_others_that_begin_like_it() -> None:
    model, sampling = bound("qwen2"), Sampling(temperature=1.0)
    prompts = [prompt(1, 160) + prompt(seed, 12) for seed in range(2, 10)]
    crowd = [row([ids], sampling, noise=i, limit=16) for i, ids in enumerate(prompts)]
    run([model], crowd)
    for i, ids in enumerate(prompts):
        alone = row([ids], sampling, noise=i, limit=16)
        run([model], [alone])
        assert alone.ids == crowd[i].ids
