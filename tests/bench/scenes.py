"""A pool of scripted members and small tasks, for benchmarks in tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from consilience.bench import Experiment
from consilience.bench.experiment import Entry
from consilience.reading import Choice
from consilience.types import Example, Request
from tests.members import Scripted


@dataclass(frozen=True)
class Quiz:
    """A task made in a test."""

    name: str
    dev: tuple[Example, ...]
    test: tuple[Example, ...]


def example(i: int, split: str = "test") -> Example:
    right = "ABC"[i % 3]
    request = Request.of(f"{split} question {i}: which?", form="answer", format=Choice(3))
    return Example(f"{split}-{i}", request, (right,), "quiz", skill=("odd", "even")[i % 2 == 0])


def quiz(n: int = 30, dev: int = 20, name: str = "quiz") -> Quiz:
    return Quiz(name, tuple(example(i, "dev") for i in range(dev)), tuple(example(i) for i in range(n)))


def knower(name: str, skill: float, **options: object) -> Scripted:
    """A member that knows a share `skill` of the questions, and says something wrong on the others."""
    def answer(request: Request, draw: int) -> str:
        words = request.question.split()
        number = int(next(w for w in words if w.rstrip(":").isdigit()).rstrip(":"))
        luck = int(hashlib.sha256(f"{name} {words[0]} {number} {draw}".encode()).hexdigest(), 16) % 1000 / 1000
        right = number % 3
        return "Answer: " + "ABC"[right if luck < skill else (right + 1 + draw % 2) % 3]

    return Scripted(name, answer, **options)  # type: ignore[arg-type]


def pool() -> list[Scripted]:
    return [knower("low", 0.3), knower("middle", 0.6), knower("high", 0.8)]


def experiment(*methods: str | Entry, **changes: object) -> Experiment:
    entries = tuple(m if isinstance(m, Entry) else Entry(m) for m in methods)
    return Experiment("scene", ("nursery",), ("quiz",), entries, **changes)  # type: ignore[arg-type]
