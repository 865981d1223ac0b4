"""What the measurements share: members in memory, their answers to questions, and paired intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consilience.nursery.answers import ask, is_right, prompt_of
from consilience.nursery.checkpoints import read_adapter, read_member
from consilience.nursery.data import Encoder
from consilience.nursery.net import Combine, Draft, Params, Shape, alone
from consilience.nursery.tasks import Problem, problems

Right = NDArray[np.float64]
TEST, DEV = 400, 160
"""Questions of each cell."""


@dataclass(frozen=True)
class Member:
    """A model in memory with its encoder."""

    params: Params
    shape: Shape
    encoder: Encoder


@dataclass(frozen=True)
class Said:
    """What one asker said to a list of questions."""

    texts: Sequence[str]
    drafts: Sequence[Draft]
    right: Right


@dataclass
class Bench:
    """The members of one pool; each answer to a named set of questions is made once."""

    folder: Path
    seed: int
    _members: dict[str, Member] = field(default_factory=dict)
    _said: dict[tuple[str, str, str, float, int], Said] = field(default_factory=dict)

    def member(self, name: str) -> Member:
        """A member by name; adapters come folded into their base."""
        if name not in self._members:
            folder = self.folder / name
            if (folder / "adapter_config.json").exists():
                base = self.member("base")
                self._members[name] = Member(read_adapter(folder, base.params), base.shape, base.encoder)
            else:
                params, shape, tokenizer = read_member(folder)
                self._members[name] = Member(params, shape, Encoder(tokenizer))
        return self._members[name]

    def add(self, name: str, params: Params) -> None:
        """A model made on the spot, of the first family."""
        base = self.member("base")
        self._members[name] = Member(params, base.shape, base.encoder)

    @cached_property
    def questions(self) -> Callable[[str, str], list[Problem]]:
        """Questions by cell and split, made once."""
        made: dict[tuple[str, str], list[Problem]] = {}

        def get(cell: str, split: str) -> list[Problem]:
            if (cell, split) not in made:
                made[cell, split] = problems(cell, split, TEST if split == "test" else DEV)
            return made[cell, split]

        return get

    def said(self, name: str, cell: str, split: str = "test", temperature: float = 0.0, draw: int = 0) -> Said:
        """A member's answers to a cell."""
        key = (name, cell, split, temperature, draw)
        if key not in self._said:
            member, asked = self.member(name), self.questions(cell, split)
            self._said[key] = self._ask([member.params], member, asked, alone, temperature, draw)
        return self._said[key]

    def together(self, names: Sequence[str], cell: str, split: str, combine: Combine) -> Said:
        """The answers of members in lockstep."""
        members = [self.member(name) for name in names]
        return self._ask([member.params for member in members], members[0], self.questions(cell, split), combine, 0.0, 0)

    def _ask(self, models: Sequence[Params], first: Member, asked: Sequence[Problem], combine: Combine, temperature: float, draw: int) -> Said:
        replies = ask(
            models, first.shape, first.encoder, [prompt_of(problem) for problem in asked], temperature=temperature,
            seed=1_000_003 * self.seed + draw, combine=combine, limit=200 if first.shape.bias else 96,
        )
        right = np.array([float(is_right(problem, text)) for problem, (text, _) in zip(asked, replies, strict=True)])
        return Said([text for text, _ in replies], [draft for _, draft in replies], right)

    def tell(self, name: str, prompts: Sequence[str]) -> list[str]:
        """A member's greedy replies to prompts."""
        member = self.member(name)
        return [text for text, _ in ask([member.params], member.shape, member.encoder, prompts)]

    def score(self, name: str, cells: Sequence[str], split: str = "test") -> dict[str, float]:
        """Per cent right on each cell."""
        return {cell: percent(self.said(name, cell, split).right) for cell in cells}


def percent(right: Right) -> float:
    """A share as per cent with one decimal."""
    return round(100 * float(np.mean(right)), 1)


def difference(first: Mapping[str, Right], second: Mapping[str, Right], draws: int = 2000) -> dict[str, float]:
    """Mean difference in points over cells of equal weight, with its 95% paired bootstrap interval."""
    rng = np.random.default_rng(0)
    gaps = [100 * (first[cell] - second[cell]) for cell in first]
    means = np.mean([gap[rng.integers(0, len(gap), (draws, len(gap)))].mean(1) for gap in gaps], axis=0)
    low, high = np.percentile(means, (2.5, 97.5))
    return {"difference": round(float(np.mean([gap.mean() for gap in gaps])), 1), "low": round(float(low), 1), "high": round(float(high), 1)}


def mean_of(scores: Mapping[str, float]) -> float:
    """Mean over cells."""
    return round(float(np.mean(list(scores.values()))), 1)
