"""Random networks, prompts and rows for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch

from consilience.decode.binding import Bound, bind
from consilience.decode.engine import Engine
from consilience.decode.policy import Policy
from consilience.decode.row import Row
from consilience.decode.tensors import Alone
from consilience.model import Combiner
from consilience.types import Sampling
from tests.models.local.tiny import network

VOCABULARY = 97
GREEDY = Sampling(temperature=0)


@cache
def bound(family: str, seed: int = 0, vocabulary: int = VOCABULARY) -> Bound:
    return bind(network(family, vocabulary, seed))


@cache
def broken() -> Bound:
    """A model with NaN among its weights."""
    net = network("llama", VOCABULARY, 8)
    with torch.no_grad():
        net.lm_head.weight[3] = torch.nan
    return Bound(net, 512, None, bound("llama").verdict)


def prompt(seed: int, size: int | None = None, vocabulary: int = VOCABULARY) -> tuple[int, ...]:
    draw = torch.Generator().manual_seed(seed)
    size = size or int(torch.randint(3, 25, (), generator=draw))
    return tuple(torch.randint(1, vocabulary, (size,), generator=draw).tolist())


def row(ids: Sequence[tuple[int, ...]], sampling: Sampling = GREEDY, *, noise: int = 0, limit: int = 12,
        stop: frozenset[int] = frozenset(), watch: Callable[[Sequence[int]], bool] | None = None,
        logprobs: int | None = None) -> Row:
    return Row(tuple(ids), sampling, noise, stop, limit, lambda _: None, watch, logprobs)


def run(models: Sequence[Bound], rows: Sequence[Row], combiner: Combiner | Policy | None = None, lanes: int = 8,
        room: int | None = None, vocabulary: int = VOCABULARY) -> Engine:
    """Decode `rows`; every one is told that it is done, once, and nothing stays in the slots."""
    waiting = list(rows)
    ended: list[Row] = []
    for one in rows:
        one.done = ended.append

    def source(most: int) -> list[Row]:
        given = waiting[:most]
        del waiting[:most]
        return given

    engine = Engine([m.slots() for m in models], combiner or Alone(), vocabulary, lanes=lanes, room=room)
    engine.run(source)
    assert len(ended) == len(rows)
    assert {id(r) for r in ended} == {id(r) for r in rows}
    assert all(slots.length == [] for slots in engine.slots)
    return engine
