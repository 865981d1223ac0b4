"""Unions of vocabularies and relative spaces: the catalogue's numbers, and what must hold for all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.decode.tensors import log_probs, mix_log
from consilience.decode.union import END, Union, adapt, common, pool_top, pool_union, relative
from consilience.decode.vocabulary import Vocabulary

HALF = torch.tensor([.5, .5])


def words(*pieces: str, end: bool = False) -> Vocabulary:
    """A vocabulary of these pieces, and an end token behind them where asked."""
    last = len(pieces)
    return Vocabulary((*(p.encode() for p in pieces), *([b""] if end else [])), frozenset([last] if end else []),
                      frozenset([last] if end else []))


def named(union: Union, scores: torch.Tensor) -> dict[str, float]:
    return {p.decode(): v for p, v in zip(union.pieces, scores.exp()[0].tolist(), strict=True) if v > 0}


def test_gac_by_hand() -> None:
    union = Union.of([words("a", "b"), words("b", "c")])
    got = pool_union([torch.tensor([[.6, .4]]).log(), torch.tensor([[.7, .3]]).log()], union, HALF)
    assert named(union, got) == pytest.approx({"a": .30, "b": .55, "c": .15})


def test_ends_share_a_column_and_template_marks_have_none() -> None:
    a, b = words("x", end=True), Vocabulary((b"x", b"", b"y", b""), frozenset({1, 3}), frozenset({3}))
    union = Union.of([a, b])
    assert [c.tolist() for c in union.columns] == [[1, END], [1, -1, 2, END]]
    got = pool_union([torch.tensor([[.2, .8]]).log(), torch.tensor([[.1, .0, .4, .5]]).log()], union, HALF)
    assert named(union, got) == pytest.approx({"": .65, "x": .15, "y": .2})


def test_two_ids_of_one_piece_point_at_one_column() -> None:
    union = Union.of([words("a", "b", "a"), words("a", "b")])
    got = pool_union([torch.tensor([[.2, .5, .3]]).log(), torch.tensor([[.5, .5]]).log()], union, HALF)
    assert named(union, got) == pytest.approx({"a": .5, "b": .5})


def test_unite_by_hand() -> None:
    union = Union.of([words("cat", "dog", "cow"), words("dog", "cow", "cat")])
    a, b = torch.tensor([[2.0, 1, 0]]), torch.tensor([[3.0, 1, 0]])
    got = named(union, pool_top([a, b], union, 2, HALF))
    assert got == pytest.approx({"cat": .3536, "dog": .5443, "cow": .1021}, abs=1e-4)


def test_a_piece_that_is_missing_has_the_logit_of_its_first_piece_once() -> None:
    whole, parts = words("the", "them", "x"), words("the", "m", "x")
    union = Union.of([whole, parts])
    places = {p: i for i, p in enumerate(union.pieces)}
    assert union.ids[1][places[b"them"]] == 0 and not union.own[1][places[b"them"]]
    z = torch.tensor([[0.0, 5, 4]])
    got = pool_top([z, z], union, 1, torch.tensor([0.0, 1.0]))
    assert named(union, got) == pytest.approx({"them": 1 / (1 + torch.e ** 5), "m": 1 / (1 + torch.e ** -5)})
    counted = pool_top([torch.tensor([[4.0, 5, 0]]), z], union, 2, torch.tensor([0.0, 1.0]))
    assert "them" not in named(union, counted), "its first piece is in the union itself, and counts there"


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), members=st.integers(2, 3), rows=st.integers(1, 3))
def test_one_vocabulary_is_the_arithmetic_mean(seed: int, members: int, rows: int) -> None:
    """GaC and UniTE with k = V over equal vocabularies are plain pooling; everything sums to 1."""
    draw = torch.Generator().manual_seed(seed)
    vocabulary = words(*"abcdefgh", end=True)
    union = Union.of([vocabulary] * members)
    logits = [torch.randn(rows, 9, generator=draw) * 3 for _ in range(members)]
    weights = torch.softmax(torch.randn(members, generator=draw), 0)
    wanted = mix_log(weights, log_probs(torch.stack(logits))).exp()
    order = union.columns[0]
    for got in (pool_union(logits, union, weights), pool_top(logits, union, 9, weights)):
        torch.testing.assert_close(got.exp()[:, order], wanted, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(got.exp().sum(-1), torch.ones(rows))


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 12))
def test_unions_of_any_vocabularies_are_distributions(seed: int, k: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    pool = ["a", "b", "ab", "abc", " a", "é", "x", "xy", " ", "zz"]

    def some() -> Vocabulary:
        keep = torch.rand(len(pool), generator=draw) < 0.6
        return words(*[p for p, yes in zip(pool, keep, strict=True) if yes], "q", end=True)

    vocabularies = [some(), some(), some()]
    union = Union.of(vocabularies)
    assert len(set(union.pieces)) == len(union)
    logits = [torch.randn(2, len(v), generator=draw) for v in vocabularies]
    weights = torch.full((3,), 1 / 3)
    for got in (pool_union(logits, union, weights), pool_top(logits, union, k, weights)):
        torch.testing.assert_close(got.exp().sum(-1), torch.ones(2))
    kept = (pool_top(logits, union, k, weights) > -torch.inf).sum(-1)
    assert (kept <= 3 * k).all()


def test_relative_representations() -> None:
    a, b = words("x", "y", "only", end=True), words("y", "other", "x")
    assert [c.tolist() for c in common([a, b])] == [[0, 1], [2, 0]]
    draw = torch.Generator().manual_seed(0)
    matrix = relative(torch.randn(50, 8, generator=draw), torch.arange(20))
    torch.testing.assert_close(matrix.sum(-1), torch.ones(50))
    assert (matrix[:20].argmax(-1) == torch.arange(20)).all(), "an anchor is most like itself"


def kl(target: torch.Tensor, logits: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return torch.special.xlogy(target, target / (logits.softmax(-1) @ matrix)).sum(-1)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), rate=st.floats(0.01, 2.0))
def test_the_search_never_ends_farther_than_it_began(seed: int, rate: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    matrix = relative(torch.randn(30, 6, generator=draw), torch.arange(12))
    start = torch.randn(4, 30, generator=draw) * 2
    target = torch.randn(4, 30, generator=draw).softmax(-1) @ matrix
    assert torch.equal(adapt(start, target, matrix, rate=0.0), start), "no step: the main model"
    before, after = kl(target, start, matrix), kl(target, adapt(start, target, matrix, rate), matrix)
    assert (after <= before + 1e-6).all()
    own = start.softmax(-1) @ matrix
    assert torch.equal(adapt(start, own, matrix, rate).argmax(-1), start.argmax(-1)), "alone, its own choice stays"


def test_the_search_comes_closer_and_its_slope_is_right() -> None:
    draw = torch.Generator().manual_seed(1)
    matrix = relative(torch.randn(30, 6, generator=draw), torch.arange(12))
    start, target = torch.randn(1, 30, generator=draw), torch.randn(1, 30, generator=draw).softmax(-1) @ matrix
    assert kl(target, adapt(start, target, matrix, 0.15, 40), matrix) < 0.5 * kl(target, start, matrix)
