"""Members of different vocabularies writing one text, against plain forwards of what each of them should have read."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import pytest
import torch

from consilience.decode.binding import Bound, bind
from consilience.decode.bridge import Bridge
from consilience.decode.engine import Engine
from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.decode.row import Row
from consilience.decode.union import Union, pool_union
from consilience.types import Sampling
from tests.decode.test_bridge import encoded, words
from tests.models.local.tiny import network

FAMILIES = ("qwen2", "llama", "gpt2")
PROMPT = "Once upon a time"


@cache
def models() -> tuple[Bound, ...]:
    return tuple(bind(network(f, len(words()[m]), seed=m)) for m, f in enumerate(FAMILIES))


@dataclass(frozen=True)
class Patches(Policy):
    """Members write `patch` tokens in turn."""

    patch: int
    mixed: ClassVar[bool] = True

    def decide(self, sight: Sight) -> Move:
        author = sight.step // self.patch % len(sight.known)
        return Move(torch.arange(len(sight.known))[:, None] == author, author)


@dataclass(frozen=True)
class Gac(Policy):
    """Everybody's probabilities over the union; members that cannot read the text as it stands weigh nothing."""

    mixed: ClassVar[bool] = True

    def prepare(self, material: Material) -> Any:
        return Union.of(material.vocabularies)

    def decide(self, sight: Sight) -> Move:
        weights = sight.known.float()
        scores = pool_union(sight.logits, sight.prepared, weights / weights.sum(0).clamp_min(1))
        return Move(torch.ones_like(sight.known), None, scores, union=sight.prepared)


def rows_of(count: int, sampling: Sampling, limit: int, prompt: str = PROMPT) -> list[Row]:
    made = []
    for i in range(count):
        asked = f"{prompt}{i}"
        prompts = tuple(tuple(encoded(m, asked)) for m in range(3))
        one = Row(prompts, sampling, i, frozenset(), limit + i, lambda _: None)
        one.bridge = Bridge(prompts, [lambda text, m=m, asked=asked: encoded(m, asked + text) for m in range(3)], words())
        made.append(one)
    return made


def run(policy: Policy, rows: Sequence[Row], lanes: int = 4) -> None:
    waiting = list(rows)

    def source(most: int) -> list[Row]:
        given = waiting[:most]
        del waiting[:most]
        return given

    material = Material(words(), [b.model.get_input_embeddings().weight for b in models()], mixed=True)
    Engine([b.slots() for b in models()], policy, [len(w) for w in words()], lanes=lanes, material=material).run(source)


@torch.no_grad()
def plain(member: int, ids: Sequence[int]) -> torch.Tensor:
    return models()[member].model(torch.tensor([list(ids)])).logits[0, -1]


def whole(said: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(said)
    return not decoder.getstate()[0]


@pytest.mark.parametrize("patch", [1, 2, 5])
def test_every_token_is_what_its_author_says_after_a_fresh_reading(patch: int) -> None:
    rows = rows_of(7, Sampling(temperature=0), 12)
    run(Patches(patch), rows)
    forced = 0
    for number, one in enumerate(rows):
        asked, said, last = f"{PROMPT}{number}", b"", -1
        own: list[int] = []
        for step, author in enumerate(one.authors):
            wanted = step // patch % 3
            assert author == (wanted if whole(said) else last)
            forced += author != wanted
            own = own if author == last else encoded(author, asked + said.decode("utf-8", "replace"))
            token = int(plain(author, own).argmax())
            if token in words()[author].ends:
                assert one.reason == "stop" and step == len(one.authors) - 1
                break
            own, last = [*own, token], author
            said += words()[author].pieces[token]
        assert bytes(one.ids) == said
    assert forced or patch == 5


def test_the_union_is_the_mean_of_everybody_s_distribution() -> None:
    rows = rows_of(4, Sampling(temperature=0), 8)
    run(Gac(), rows, lanes=3)
    union = Union.of(words())
    for number, one in enumerate(rows):
        asked, said = f"{PROMPT}{number}", b""
        assert one.bridge is not None
        for piece in one.bridge.pieces:
            if not whole(said):
                break
            logits = [plain(m, encoded(m, asked + said.decode("utf-8", "replace")))[None] for m in range(3)]
            scores = pool_union(logits, union, torch.full((3,), 1 / 3))
            assert union.pieces[int(scores.argmax())] == piece
            said += piece
        assert bytes(one.ids) == b"".join(one.bridge.pieces)


def test_sampled_rows_do_not_depend_on_their_company() -> None:
    sampling = Sampling(temperature=1.0, top_p=0.95, repetition_penalty=1.2)
    for policy in (Patches(2), Gac()):
        alone, together = rows_of(1, sampling, 15), rows_of(6, sampling, 15)
        run(policy, alone)
        run(policy, together, lanes=3)
        assert alone[0].ids == together[0].ids and len({bytes(r.ids) for r in together}) == 6


def test_a_context_that_is_full_ends_the_row() -> None:
    """The plain-byte member needs more ids than tokens are written; at its limit the row ends, as by its length."""
    first = models()[1]
    short = Bound(first.model, 40, first.lean, first.verdict)
    rows = rows_of(3, Sampling(temperature=0), 60)
    material = Material(words(), [], mixed=True)
    waiting = [list(rows)]
    bound = [models()[0], short, models()[2]]
    Engine([b.slots() for b in bound], Patches(3), [len(w) for w in words()], material=material).run(
        lambda most: waiting.pop() if waiting else [])
    assert all(r.reason in ("length", "stop") and r.emitted < 60 for r in rows) and any(1 in r.gone for r in rows)
