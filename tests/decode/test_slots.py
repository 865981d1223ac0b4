"""Slots against a plain forward of the same text, whatever was done to the rows."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.decode.binding import Bound, bind
from consilience.decode.slots import Slots
from consilience.errors import ModelError
from tests.models.local.tiny import network

VOCABULARY = 97
FAMILIES = ("llama", "qwen2", "mistral", "gemma3", "gpt2")
OPERATIONS = st.lists(st.tuples(st.sampled_from(["join", "push", "step", "rollback", "fork", "leave"]),
                                st.integers(0, 2**31)), min_size=3, max_size=9)


@cache
def bound(family: str) -> Bound:
    return bind(network(family, VOCABULARY))


@torch.inference_mode()
def plain(model: torch.nn.Module, text: list[int]) -> torch.Tensor:
    return model(input_ids=torch.tensor([text]), use_cache=False).logits[0].float()


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=8, deadline=None)
@given(operations=OPERATIONS)
def test_any_operations_equal_a_plain_forward(family: str, lean: bool, operations: list[tuple[str, int]]) -> None:
    model = bound(family)
    slots = Slots(model.model, model.limit, model.lean if lean else None)
    texts: list[list[int]] = []
    with torch.inference_mode():
        for name, seed in operations:
            draw = torch.Generator().manual_seed(seed)
            _apply(slots, texts, name, draw, model)
        if texts:
            last = [[seed % VOCABULARY] for seed in range(len(texts))]
            logits = slots.push(0, last)
            for row, text in enumerate(texts):
                torch.testing.assert_close(logits[row], plain(model.model, text + last[row])[-1], atol=1e-4, rtol=0)


def _apply(slots: Slots, texts: list[list[int]], name: str, draw: torch.Generator, model: Bound) -> None:
    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=draw))

    def ids(count: int) -> list[int]:
        return torch.randint(0, VOCABULARY, (count,), generator=draw).tolist()

    if name == "join" or not texts:
        new = [ids(number(1, 20)) for _ in range(number(1, 4))]
        logits = slots.push(len(texts), new)
        texts += new
        for got, text in zip(logits, new, strict=True):
            torch.testing.assert_close(got, plain(model.model, text)[-1], atol=1e-4, rtol=0)
    elif name == "push":
        more = [ids(number(0, 5)) for _ in texts]
        more[0] = more[0] or ids(1)
        longest = max(map(len, more))
        logits = slots.push(0, more, last=longest).reshape(len(more), longest, -1)
        for row, extra in enumerate(more):
            texts[row] += extra
            wanted = plain(model.model, texts[row])[len(texts[row]) - len(extra):]
            torch.testing.assert_close(logits[row, longest - len(extra):], wanted, atol=1e-4, rtol=0)
    elif name == "step":
        new = [ids(1) for _ in texts]
        slots.push(0, new)
        for text, extra in zip(texts, new, strict=True):
            text += extra
    elif name == "rollback":
        row = number(0, len(texts))
        count = number(0, len(texts[row]))
        slots.rollback(row, count)
        del texts[row][len(texts[row]) - count:]
    elif name == "fork":
        row, count = number(0, len(texts)), number(1, 4)
        slots.fork(row, range(len(texts), len(texts) + count))
        texts += [list(texts[row]) for _ in range(count)]
    else:
        row = number(0, len(texts))
        slots.leave(row)
        texts[row] = texts[-1]
        texts.pop()


def prompts(count: int, longest: int, seed: int) -> list[list[int]]:
    draw = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, longest + 1, (count,), generator=draw).tolist()
    return [torch.randint(0, VOCABULARY, (n,), generator=draw).tolist() for n in sizes]


@pytest.mark.parametrize("family", ["llama", "qwen2", "gpt2"])
@torch.inference_mode()
def test_a_row_is_bit_equal_whatever_its_neighbours(family: str) -> None:
    """In batches of 1, 4 and 32, beside short and long strangers, in prefill and in every step."""
    model = bound(family)
    mine = prompts(1, 19, seed=5)[0]
    runs = []
    for others, longest in ((0, 1), (3, 9), (31, 120)):
        slots = model.slots()
        batch = [mine, *prompts(others, longest, seed=others)]
        seen = [slots.push(0, batch)[0]]
        for step in range(10):
            seen.append(slots.push(0, [[step * 7 % VOCABULARY]] * len(batch))[0])
        runs.append(torch.stack(seen))
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0], runs[2])


@torch.inference_mode()
def test_rollback_past_a_fork_leaves_the_sibling_alone() -> None:
    model, text = bound("qwen2"), prompts(1, 20, seed=1)[0] + [1, 2, 3]
    slots = model.slots()
    slots.push(0, [text])
    slots.fork(0, [1])
    slots.rollback(0, 3)
    slots.push(0, [[9, 8, 7], []])
    got = slots.push(0, [[4], [4]])
    torch.testing.assert_close(got[0], plain(model.model, [*text[:-3], 9, 8, 7, 4])[-1], atol=1e-4, rtol=0)
    torch.testing.assert_close(got[1], plain(model.model, [*text, 4])[-1], atol=1e-4, rtol=0)


@torch.inference_mode()
def test_new_columns_hold_no_nan_and_a_wiped_row_is_clean() -> None:
    """NaN behind the mask would leak (0 times NaN); growth allocates zeros, and `wipe` cleans what went wrong."""
    model = bound("llama")
    slots = model.slots()
    slots.push(0, [[1, 2, 3], [4, 5]])
    for tensor in slots._values.values():
        tensor[1] = torch.nan
    slots.wipe(1)
    slots.leave(1)
    got = slots.push(1, [[6, 7]])
    torch.testing.assert_close(got[0], plain(model.model, [6, 7])[-1], atol=1e-4, rtol=0)
    slots.push(0, [[1] * 100, [2] * 90])         # grows
    assert all(torch.isfinite(t).all() for t in slots._values.values())


def test_a_row_beyond_the_context_is_refused_before_anything_is_written() -> None:
    model = bound("gpt2")
    slots = model.slots()
    assert model.limit == 512
    with torch.inference_mode():
        slots.push(0, [[1] * 510])
        with pytest.raises(ModelError, match="513 tokens.*512"):
            slots.push(0, [[1, 2, 3]])
        assert slots.length == [510]
        slots.push(0, [[1, 2]])
    with pytest.raises(ValueError, match="cannot take 600"):
        slots.rollback(0, 600)
    with pytest.raises(ValueError, match="forks go behind"):
        slots.fork(0, [5])
