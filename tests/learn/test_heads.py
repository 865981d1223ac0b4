"""Heads: who shall write, learned from what each writer gives the right tokens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from consilience.errors import ConfigError
from consilience.learn.heads import Head, Places, apply, choosing, patches, remaining, right
from consilience.method import Cast, Scored
from consilience.model import Hidden
from consilience.prompt import render
from consilience.types import Reply
from tests.methods.local import models
from tests.methods.questions import split


def test_a_head_learns_who_is_better_where() -> None:
    rng = np.random.default_rng(0)
    states = rng.standard_normal((400, 6)) * 3 + 1
    right = (states[:, 2] > 1).astype(int)
    gain = np.where(np.arange(2)[None] == right[:, None], -.1, -3.0)
    weights = choosing(states, gain)
    picked = apply(Head.of(weights).tensor("cpu"), torch.tensor(states)).argmax(-1).numpy()
    assert (picked == right).mean() > .97


def test_equal_writers_teach_nothing() -> None:
    states = np.random.default_rng(1).standard_normal((50, 4))
    assert np.allclose(choosing(states, np.full((50, 3), -1.0)), 0, atol=1e-9)


def test_heads_are_equal_by_value() -> None:
    w = np.arange(6.0).reshape(2, 3)
    assert Head.of(w) == Head.of(w.copy()) != Head.of(w + 1) and hash(Head.of(w)) == hash(Head.of(w.copy()))
    assert torch.equal(Head.of(w).tensor("cpu"), torch.tensor(w, dtype=torch.float32))


def test_places_of_right_answers(tmp_path: Path) -> None:
    members = models(tmp_path, 2)
    dev = split([("one", "A"), ("two", "B")], max_tokens=6)

    class Answered:
        examples = dev.examples
        said = [[Scored(Reply("The answer is A."), 1.0), Scored(None, 0.0)], [Scored(None, 0.0), Scored(Reply("x"), .5)]]

        async def replies(self, models: object, *_: object) -> object:
            return self.said

    answered: Any = Answered()
    assert right(answered, answered.said) == {0: "The answer is A."}
    wrong = [[Scored(Reply("p"), .0), Scored(None, .0)], [Scored(Reply("q"), .4), Scored(Reply("r"), .4)]]
    assert right(answered, wrong) == {0: "q", 1: "r"}, "nobody was right: what the best member said"
    places = asyncio.run(Places.of(answered, Cast(tuple(members)), members[0], members))
    assert places.states.shape[0] == places.log_p.shape[1] == len(places.first) and places.log_p.shape[0] == 2
    assert places.first.sum() == 1 and (places.log_p < 0).all()
    answered.said = [[Scored(None, .0)] * 2] * 2
    with pytest.raises(ConfigError, match="none that all of them can read"):
        asyncio.run(Places.of(answered, Cast(tuple(members)), members[0], members))
    other = asyncio.run(members[0].power(Hidden).hidden(render(dev[0].request, members[0].card), "Zz", 1)).value  # type: ignore[union-attr]
    assert np.allclose(other[-1][0], places.states[0], atol=1e-5), "what was read before the first token, whatever follows"


def test_patches_of_answers() -> None:
    places = Places(np.arange(5.0)[:, None], -np.arange(10.0).reshape(2, 5), np.array([True, False, False, True, False]))
    states, gain = patches(places, 2)
    assert states[:, 0].tolist() == [0, 2, 3] and gain.tolist() == [[-1, -11], [-2, -7], [-7, -17]]


def test_what_is_still_to_come_is_predicted() -> None:
    lengths = [3, 9, 5, 14] * 20
    left = np.concatenate([np.arange(n, 0, -1) for n in lengths])
    first = np.concatenate([np.arange(n) == 0 for n in lengths])
    states = np.stack([np.log1p(left), np.random.default_rng(0).standard_normal(len(left))], axis=1)
    weights = torch.tensor(remaining(Places(states, np.zeros((1, len(left))), first)), dtype=torch.float32)
    said = apply(weights, torch.tensor(states))[:, 0].numpy()
    assert np.abs(said - np.log1p(left)).max() < .1
