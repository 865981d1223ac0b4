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
FAMILIES = ("llama", "qwen2", "qwen2_mixed", "qwen3", "mistral", "gemma2", "gemma3", "gpt_neox", "gpt2", "mpt")
LEAN = ("llama", "qwen2", "qwen2_mixed", "qwen3", "mistral")
"""Those with a short forward of our own."""
OPERATIONS = st.lists(st.tuples(st.sampled_from(["join", "open", "push", "some", "step", "rollback", "fork", "leave"]),
                                st.integers(0, 2**31)), min_size=3, max_size=12)


@cache
def bound(family: str) -> Bound:
    return bind(network(family, VOCABULARY))


@torch.inference_mode()
def plain(model: torch.nn.Module, text: list[int]) -> torch.Tensor:
    return model(input_ids=torch.tensor([text]), use_cache=False).logits[0].float()


@pytest.mark.parametrize(("family", "lean"), [(f, lean) for f in FAMILIES for lean in (False, True) if not lean or f in LEAN])
@settings(max_examples=6)
@given(operations=OPERATIONS)
def test_any_operations_equal_a_plain_forward(family: str, lean: bool, operations: list[tuple[str, int]]) -> None:
    model = bound(family)
    assert not lean or model.lean is not None
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
            if not extra:
                continue
            texts[row] += extra
            wanted = plain(model.model, texts[row])[len(texts[row]) - len(extra):]
            torch.testing.assert_close(logits[row, longest - len(extra):], wanted, atol=1e-4, rtol=0)
    elif name == "some":
        which = [row for row in range(len(texts)) if number(0, 2)] or [0]
        more = [ids(number(1, 5)) for _ in which]
        logits, hidden = slots.push_with_states(which, more)
        assert hidden is not None
        for place, (row, extra) in enumerate(zip(which, more, strict=True)):
            texts[row] += extra
            torch.testing.assert_close(logits[place], plain(model.model, texts[row])[-1], atol=1e-4, rtol=0)
            states = model.model(torch.tensor([texts[row]]), output_hidden_states=True, use_cache=False).hidden_states[-1]
            torch.testing.assert_close(hidden[place], states[0, -1], atol=1e-4, rtol=1e-4)
    elif name == "open":
        slots.open(1)
        texts.append([])
    elif name == "step":
        new = [ids(1) for _ in texts]
        slots.push(0, new)
        for text, extra in zip(texts, new, strict=True):
            text += extra
    elif name == "rollback":
        row = number(0, len(texts))
        count = number(0, len(texts[row]) + 1)
        slots.rollback(row, count)
        del texts[row][len(texts[row]) - count:]
    elif name == "fork":
        row, count = number(0, len(texts)), number(1, 4)
        empty = [other for other, text in enumerate(texts) if not text and other != row]
        slots.fork(row, [*empty, *range(len(texts), len(texts) + count)])
        for other in empty:
            texts[other] = list(texts[row])
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


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_a_window_smaller_than_the_text_survives_rollbacks(family: str) -> None:
    """Far past the window, back to well before it, and on: what the window had dropped is there again."""
    model, text = bound(family), prompts(1, 60, seed=3)[0] + list(range(1, 50))
    slots = model.slots()
    slots.push(0, [text])
    for back, more in ((30, [5, 6]), (len(text) - 33, [7] * 12), (3, [8])):
        slots.rollback(0, back)
        text = text[:len(text) - back] + more
        got = slots.push(0, [more])
        torch.testing.assert_close(got[0], plain(model.model, text)[-1], atol=1e-4, rtol=0)


@torch.inference_mode()
def test_shrinking_gives_memory_back_and_keeps_the_rows() -> None:
    model = bound("llama")
    slots = model.slots()
    texts = prompts(20, 90, seed=4)
    slots.push(0, texts)
    before = slots.nbytes
    while len(slots.length) > 2:
        slots.leave(len(slots.length) - 1)
    slots.shrink()
    assert slots.nbytes < before / 2
    got = slots.push(0, [[1], [2, 3]])
    for row, extra in enumerate(([1], [2, 3])):
        torch.testing.assert_close(got[row], plain(model.model, texts[row] + extra)[-1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 5, 20])
@torch.inference_mode()
def test_catching_up_is_bit_equal_whatever_else_catches_up(count: int) -> None:
    """Several tokens at once, alone and beside others, among the rows from the first on and picked out of many."""
    model, mine, more = bound("qwen2"), prompts(1, 19, seed=5)[0], prompts(1, 30, seed=6)[0] * 20
    runs = []
    for others, rows in ((0, [0]), (11, [0, 1, 2, 3, 4]), (11, [0, 4, 5, 9])):
        slots = model.slots()
        slots.push(0, [mine, *prompts(others, 40, seed=others)])
        runs.append(slots.push(rows, [more[:count]] * len(rows))[0])
    assert torch.equal(runs[0], runs[1]) and torch.equal(runs[0], runs[2])


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


def test_forks_go_where_nothing_is() -> None:
    slots = Slots(network("llama", 97))
    slots.open(2)
    slots.push(0, [[1, 2, 3, 4]])
    for into, words in (([0], "rows .0. hold tokens"), ([3], "forks go behind the 2 live rows")):
        with pytest.raises(ValueError, match=words):
            slots.fork(0, into)
    with pytest.raises(ValueError, match="cannot take 5 tokens back from a row of 4"):
        slots.rollback(0, 5)
    slots.fork(0, [])
    assert slots.length == [4, 0]
