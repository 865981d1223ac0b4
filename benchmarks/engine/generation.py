"""Our engine against Transformers' `generate`: equal lengths, spread lengths with rows joining, samples of one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from nets import network, prompts, seconds
from transformers import PreTrainedModel

from consilience.decode.binding import Bound, bind
from consilience.decode.engine import Engine
from consilience.decode.row import Row
from consilience.decode.tensors import Alone
from consilience.model import Combiner
from consilience.types import Sampling


@dataclass(frozen=True)
class Result:
    """One comparison: seconds of CPU on both sides."""

    job: str
    model: str
    peer: str
    peer_seconds: float
    our_seconds: float
    target: float | None

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.peer_seconds / self.our_seconds


def ours(models: Sequence[Bound], asked: Sequence[tuple[int, ...]], lengths: Sequence[int], *,
         lanes: int = 32, temperature: float = 0.0, combiner: Combiner | None = None) -> list[list[int]]:
    """New ids of all prompts; at most `lanes` rows at once, the others join as rows leave."""
    sampling = Sampling(temperature=temperature)
    rows = [Row((p,) * len(models), sampling, i, frozenset(), n, lambda _: None)
            for i, (p, n) in enumerate(zip(asked, lengths, strict=True))]
    waiting = list(rows)

    def source(most: int) -> list[Row]:
        given = waiting[:most]
        del waiting[:most]
        return given

    engine = Engine([m.slots() for m in models], combiner or Alone(), models[0].model.config.vocab_size, lanes=lanes)
    engine.run(source)
    return [row.ids for row in rows]


@torch.inference_mode()
def theirs(model: PreTrainedModel, asked: Sequence[tuple[int, ...]], lengths: Sequence[int], *, lanes: int = 32,
           temperature: float = 0.0, samples: int = 1) -> list[list[int]]:
    """The same with `generate`, in batches as the prompts come, left-padded; a batch runs until its longest row is done."""
    done: list[list[int]] = []
    for at in range(0, len(asked), lanes):
        batch, most = asked[at:at + lanes], lengths[at:at + lanes]
        width = max(map(len, batch))
        ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in batch])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in batch])
        chance = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        out = model.generate(ids, attention_mask=mask, max_new_tokens=max(most), pad_token_id=0,
                             num_return_sequences=samples, **chance)
        wanted = [n for n in most for _ in range(samples)]
        done += [row[width:width + n].tolist() for row, n in zip(out, wanted, strict=True)]
    return done


def same_texts(model: Bound, asked: Sequence[tuple[int, ...]], lengths: Sequence[int]) -> None:
    """Greedy texts must be equal before speed means anything."""
    a, b = ours([model], asked, lengths), theirs(model.model, asked, lengths)
    if a != b:
        raise SystemExit(f"{sum(x != y for x, y in zip(a, b, strict=True))} of {len(a)} greedy texts differ from generate's")


def compare(names: Sequence[str], small: bool, repeats: int) -> list[Result]:
    """All comparisons of this file, for each of the named networks (`small`: for a tiny one)."""
    results = []
    names = ["tiny"] if small else names
    new, spread, lanes = (8, 8, 4) if small else (128, 128, 32)
    for name in names:
        bound = bind(network(name))
        model = bound.model
        even = prompts(lanes, 16, 48)
        same_texts(bound, even, [new] * lanes)
        peer, own = seconds(partial(theirs, model, even, [new] * lanes), partial(ours, [bound], even, [new] * lanes),
                            repeats=repeats)
        results.append(Result(f"{lanes} rows, {new} new tokens each", name, "generate", peer, own, 1.0))
        many = prompts(spread, 16, 48, seed=1)
        lengths = torch.randint(16 // (4 if small else 1), (256 // (16 if small else 1)) + 1, (spread,),
                                generator=torch.Generator().manual_seed(0)).tolist()
        peer, own = seconds(partial(theirs, model, many, lengths, lanes=lanes),
                            partial(ours, [bound], many, lengths, lanes=lanes), repeats=repeats)
        results.append(Result(f"{spread} rows of {min(lengths)} to {max(lengths)}, joining {lanes} lanes", name, "generate",
                              peer, own, 1.6))
        results += samples(bound, name, repeats)
    return results


def samples(bound: Bound, name: str, repeats: int) -> list[Result]:
    """Eight samples of one prompt of 64 tokens: until all have their first token, and 32 tokens long."""
    [one] = prompts(1, 64, 64, seed=2)
    model, found = bound.model, []
    for new, target in ((1, 5.0), (32, None)):
        lengths = [new] * 8
        together = partial(theirs, model, [one], [new], temperature=1.0, samples=8)
        apart = partial(lambda n: [theirs(model, [one], [n], temperature=1.0) for _ in range(8)], new)
        mine = partial(ours, [bound], [one] * 8, lengths, temperature=1.0)
        *peers, own = seconds(together, apart, mine, repeats=repeats * 3)
        job = f"8 samples of 64 prompt tokens, {new} new"
        found += [Result(job, name, "generate(num_return_sequences=8)", peers[0], own, target),
                  Result(job, name, "8 calls of generate", peers[1], own, None)]
    return found
