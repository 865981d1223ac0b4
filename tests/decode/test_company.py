"""A row's text depends on nothing but the row: not on the others, the lanes, or when it joins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.decode.policy import Move, Policy, Sight, Speculation
from consilience.decode.tensors import MeanLogits, Only
from consilience.model import Combiner
from consilience.types import Sampling
from tests.decode.scenes import bound, prompt, row, run


@dataclass(frozen=True)
class ByChance(Policy):
    """Either member writes, by lot."""

    def decide(self, sight: Sight) -> Move:
        author = (sight.noise > 0.5).long()
        return Move(torch.arange(2)[:, None] == author, author)


samplings = st.builds(Sampling, temperature=st.sampled_from([0.0, 0.7, 1.3]), top_p=st.sampled_from([1.0, 0.8]),
                      top_k=st.sampled_from([None, 5]), min_p=st.sampled_from([0.0, 0.05]),
                      repetition_penalty=st.sampled_from([1.0, 1.4]))


@pytest.mark.parametrize("scheme", [MeanLogits(), Only(1), ByChance(), Speculation(MeanLogits(), length=3),
                                    Speculation(Only(0), sure=0.1, adaptive=True)], ids=str)
@settings(max_examples=4)
@given(drawn=st.lists(st.tuples(samplings, st.integers(1, 14), st.integers(0, 99)), min_size=2, max_size=5), lanes=st.integers(1, 5))
def test_together_or_alone(scheme: Combiner | Policy, drawn: list[tuple[Sampling, int, int]], lanes: int) -> None:
    models = [bound("llama"), bound("qwen2")]
    together = [row([prompt(seed), prompt(seed + 1)], replace(sampling), noise=i, limit=limit)
                for i, (sampling, limit, seed) in enumerate(drawn)]
    run(models, together, scheme, lanes=lanes)
    for i, (sampling, limit, seed) in enumerate(drawn):
        alone = row([prompt(seed), prompt(seed + 1)], sampling, noise=i, limit=limit)
        run(models, [alone], scheme)
        assert (alone.ids, alone.authors, alone.reason) == (together[i].ids, together[i].authors, together[i].reason)
