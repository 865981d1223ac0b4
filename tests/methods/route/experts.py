"""Two kinds of questions, and a member that is right on each: what any router should learn."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

from consilience.tasks.task import Split
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted
from tests.methods.questions import split

FRUIT, METAL = ("apple", "pear", "plum", "cherry", "grape", "fig"), ("iron", "copper", "zinc", "silver", "tin", "lead")
DISHES, GOODS = ("pie", "tart", "cake", "juice", "jam", "wine"), ("bar", "wire", "plate", "nail", "pot", "roof")
FRUITS = [f"what {dish} is made of {fruit} and {other}" for fruit, other in pairwise(FRUIT) for dish in DISHES]
METALS = [f"how strong are {one}, {other} and a {good}" for one, other in pairwise(METAL) for good in GOODS]
BOTH = [(q, "A") for pair in zip(FRUITS, METALS, strict=True) for q in pair]
DEV = split([q for i, q in enumerate(BOTH) if i // 2 % 7 % 2 == 0])
TEST = split([q for i, q in enumerate(BOTH) if i // 2 % 7 % 2])


def with_skills(dev: Split) -> Split:
    """The same questions, each with its skill."""
    return replace(dev, examples=tuple(replace(e, skill="fruit" if e.question.startswith("what") else "metal")
                                       for e in dev.examples))


def knows(name: str, first: str, **more: object) -> Scripted:
    """A member that is right on the questions that begin with a word."""
    return Scripted(name, lambda r, d: "A" if r.question.startswith(first) else "B", **more)  # type: ignore[arg-type]


def pair() -> list[Scripted]:
    """The fruit expert and the metal expert."""
    return [knows("fruit", "what"), knows("metal", "how")]


def accuracy(team: Team, test: Split = TEST) -> float:
    """Mean score on the test questions."""
    scores = asyncio.run(test.evaluate(team))
    return sum(scores) / len(scores)


def ask(team: Team, question: str) -> Reply:
    """The team's reply."""
    return asyncio.run(team.generate(Request.of(question, form="answer", format=DEV[0].request.format)))[0]
