"""Scripted members that go on from a partial answer, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log

from consilience.errors import ModelError
from consilience.model import Card, Continue, Measured, NextTokens
from consilience.types import Reply, Request, Token, Usage
from tests.members import Answer, Scripted

BREAK = "\n\n"


@dataclass
class Writer(Scripted):
    """Writes the steps `script[place]` of an answer, one per ask; what it says in other forms is `other`.

    A step is written up to the delimiter where the ask stops there, else with all that follow. `entropies[place]` are the
    probabilities of the tokens that may come next.
    """

    answers: Sequence[Answer] | Callable[[Request, int], Answer] = ()
    script: Sequence[str] = ()
    chances: Sequence[Sequence[float]] = ()
    other: Mapping[str, str] = field(default_factory=dict)
    tells: bool = True
    sure: Callable[[Request], float] | None = None

    def __post_init__(self) -> None:
        if not self.answers:
            self.answers = self.write

    @property
    def card(self) -> Card:
        return Card(self.name, f"scripted-{self.name}", self.price, powers=frozenset({"Continue"}),
                    settings=frozenset({"seed", "logprobs", "prefix"}))

    def write(self, request: Request, draw: int) -> Answer:
        """The step that is due after the text so far."""
        if request.form in self.other:
            return self.other[request.form or ""]
        place = request.prefix.count(BREAK)
        if request.sampling.max_tokens == 1:
            return self._glimpse(place)
        rest = list(self.script[place:])
        text = rest[0] if rest and BREAK in request.sampling.stop else BREAK.join(rest)
        last = len(rest) < 2 or BREAK not in request.sampling.stop
        return Reply(text, usage=Usage(1, 1, len(text.split())), cost=0.0, seconds=1.0, model=self.name,
                     note={"stopped": not last} if self.tells and request.sampling.stop else {})

    def _glimpse(self, place: int) -> Reply:
        spread = self.chances[place] if place < len(self.chances) else ()
        top = tuple((f"t{i}", log(p)) for i, p in enumerate(spread))
        tokens = (Token("t0", top[0][1], top),) if top else ()
        return Reply("t0" if top else "", usage=Usage(1, 1, 1), cost=0.0, seconds=.1, model=self.name, tokens=tokens)

    def power(self, kind: type) -> object | None:
        if kind is NextTokens:
            return self if self.sure is not None else None
        return self if kind is Continue else super().power(kind)

    async def next(self, request: Request, choices: Sequence[str]) -> Measured[list[float]]:
        """Log-probabilities of no, No, yes and Yes."""
        assert self.sure is not None and tuple(choices) == ("no", "No", "yes", "Yes")
        self.asked.append(request)
        wrong = self.sure(request)
        return Measured([log(wrong / 2), log(wrong / 2), log((1 - wrong) / 2), log((1 - wrong) / 2)])


def steps_of(writer: Writer) -> list[Request]:
    """The asks in which it wrote."""
    return [r for r in writer.asked if r.form == "answer" and r.sampling.max_tokens > 1]


def failing(name: str) -> Writer:
    """A writer that never answers."""
    return Writer(name, [ModelError(f"{name} is down", reason="down")])
