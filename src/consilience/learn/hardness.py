"""Solutions with rewards, and whether a question is hard: its answers are rated low, and no answer stands out (MAgICoRe,
arXiv 2409.12147)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log, prod
from statistics import fmean, pstdev
from typing import TypeAlias

from consilience.learn.table import distinct
from consilience.method import Dev
from consilience.model import Model, Verify
from consilience.types import Reply, Request

Rating: TypeAlias = Callable[[Request, Sequence[str]], Awaitable[Sequence[float | None]]]
"""Gives scores of answers, higher is better; None where there is none."""


@dataclass(frozen=True, slots=True)
class Rated:
    """A solution with the reward of its outcome and those of its steps, from 0 to 1; without step rewards it has none."""

    reply: Reply
    outcome: float
    steps: tuple[tuple[str, float], ...] = ()

    @property
    def process(self) -> float:
        """Product of the step rewards; 0 without any, and for a solution that cannot be read."""
        return prod(reward for _, reward in self.steps) if self.steps and self.reply.reading is not None else 0.0

    @property
    def quality(self) -> float:
        """Outcome and process together."""
        return self.outcome + self.process

    @property
    def marked(self) -> str:
        """The solution as a reviewer reads it: `(score n/10)` after each step; without step rewards, after the whole."""
        parts = self.steps or ((self.reply.text or "", self.outcome),)
        return "\n".join(f"{text} (score {round(10 * reward)}/10)" for text, reward in parts)


def judging(model: Model) -> Rating:
    """How a model that verifies gives scores while a method is fitted."""
    async def rate(request: Request, texts: Sequence[str]) -> list[float | None]:
        """The model's own scores."""
        return (await model.power(Verify).verify(request, texts)).value  # type: ignore[union-attr]

    return rate


async def rated(request: Request, replies: Sequence[Reply], judges: Sequence[Rating], most: int = 0) -> list[Rated]:
    """Rewards of solutions by the first judge; where there is a second, of at most `most` steps each by that one, which
    reads the solution up to the step."""
    outcome, *process = judges
    outcomes = await outcome(request, [reply.text or "" for reply in replies]) if replies else []
    parts = [split(reply.text or "", most) if process else [] for reply in replies]
    begun = ["\n".join(steps[:i + 1]) for steps in parts for i in range(len(steps))]
    marks = iter(await process[0](request, begun) if begun else [])
    return [Rated(reply, reward(score), tuple((step, reward(next(marks))) for step in steps))
            for reply, score, steps in zip(replies, outcomes, parts, strict=True)]


def reward(score: float | None) -> float:
    """The logistic function of a score; 0 for none."""
    return 1 / (1 + exp(-max(-700.0, score))) if score is not None and isfinite(score) else 0.0


def split(text: str, most: int) -> list[str]:
    """The lines of a text that say something, those beyond `most` joined to the last one."""
    lines = [line for line in re.split(r"\n+", text.strip()) if line.strip()]
    return [*lines[:most - 1], "\n".join(lines[most - 1:])] if len(lines) > most else lines


async def usual(dev: Dev, members: Sequence[Model], judges: Sequence[Model], most: int) -> dict[str, float]:
    """Mean and standard deviation (`std`) of the qualities of the members' first solutions to dev questions."""
    rows, found = await dev.replies(members), list[float]()
    for i in distinct(dev.examples):
        said = [reply for row in rows if (reply := row[i].reply) is not None and reply.text]
        found += [one.quality for one in await rated(dev.examples[i].request, said, [judging(m) for m in judges], most)]
    return {"mean": fmean(found or [0.0]), "std": pstdev(found or [0.0])}


async def grouped(request: Request, pool: Sequence[Rated]) -> list[list[Rated]]:
    """Solutions by answer, in order of first appearance; unread ones are left out."""
    numbers = await request.format.group([one.reply.reading for one in pool]) if request.format is not None else []
    return [[one for one, n in zip(pool, numbers, strict=True) if n == number]
            for number in dict.fromkeys(numbers) if number is not None]


def confidence(weights: Sequence[float]) -> float:
    """2 * (1 - sigmoid(H)) of the entropy H, in nats, of weights as shares: 1 for a single answer, below 1/2 from the
    spread of three equal ones on. Weights that are all 0 count as equal."""
    total = sum(weights)
    shares = [w / total for w in weights] if total > 0 else [1 / len(weights)] * len(weights)
    return 2 * (1 - reward(-sum(p * log(p) for p in shares if p > 0)))


def hard(groups: Sequence[Sequence[Rated]], mean: float, std: float) -> bool:
    """Whether the majority's solutions are below what is usual (`mean`, `std` of qualities), and the rewards of outcomes
    or of processes leave the answer open. Without spread in what is usual nothing is low."""
    low = std > 0 and sum(one.quality for one in max(groups, key=len)) / len(max(groups, key=len)) < mean
    outcome = confidence([sum(one.outcome for one in group) for group in groups])
    process = confidence([sum(one.process for one in group) for group in groups])
    stepwise = any(one.steps for group in groups for one in group)
    return low and (outcome < 0.5 or stepwise and process < 0.5)


def elected(groups: Sequence[Sequence[Rated]]) -> Reply:
    """Of the answer with the largest sum of qualities, the best solution; ties to the earlier."""
    winner = max(groups, key=lambda group: round(sum(one.quality for one in group), 9))
    return max(winner, key=lambda one: round(one.quality, 9)).reply
