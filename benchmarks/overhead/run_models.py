"""An instantaneous model and numbered questions, for measuring everything but models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from consilience.model import Card, Price, stream_whole
from consilience.reading import Choice
from consilience.types import Draws, Event, Example, Reply, Request, Scope, Token, Usage


@dataclass
class Instant:
    """A model that answers at once. Its answers depend on its name and the question's number alone."""

    name: str
    calls: int = 0
    card: Card = field(init=False)

    def __post_init__(self) -> None:
        self.card = Card(self.name, f"instant-{self.name}", Price(1.0, 2.0), settings=frozenset({"seed", "logprobs"}))

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        self.calls += draws.n
        right = (int("".join(filter(str.isdigit, scope.example)) or 0) * 7 + ord(self.name[0])) % 3
        tokens = (Token("Answer", -0.1), Token(": B", -0.2)) if "logprobs" in scope.extras else None
        return [Reply("Answer: " + "ABC"[right], usage=Usage(1, 40, 2), cost=44e-6, seconds=0.1, model=self.name,
                      draw=d, tokens=tokens) for d in range(draws.first, draws.first + draws.n)]

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        return stream_whole(self, request, draw, scope)

    def power(self, kind: type) -> None:
        return None


@dataclass(frozen=True)
class Questions:
    """Numbered questions with three options."""

    name: str
    dev: tuple[Example, ...]
    test: tuple[Example, ...]


def questions(n: int) -> Questions:
    def one(split: str, i: int) -> Example:
        request = Request.of(f"{split} question {i}: which of these three is it, and how do you know?\nA) red\nB) green\n"
                             "C) blue", form="answer", format=Choice(3))
        return Example(f"{split}-{i}", request, ("ABC"[i % 3],), "instant", skill=str(i % 4))

    return Questions("instant", tuple(one("dev", i) for i in range(60)), tuple(one("test", i) for i in range(n)))
