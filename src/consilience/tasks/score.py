"""The score of a reply to an example, and the refusal to score where that takes what is not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consilience.errors import TaskError
from consilience.reading import Free
from consilience.types import AnswerFormat, Example, Reply

NEEDS = {
    "code": "running code with its tests",
    "refusal": "judging whether a request was rightly declined",
    "reward": "a reward model",
    "judge": "a judge model",
    "diversity": "measuring the diversity of several replies",
    "reference": "references, which this data set does not give",
}
"""Kinds of scoring that are refused, and what each takes."""


@dataclass(frozen=True, slots=True)
class Unscored:
    """The format of a task whose answers cannot be scored here: they are read and grouped as `reader` does, and scoring
    one is a TaskError. Recorded replies that carry a published score keep it."""

    kind: str
    task: str
    reader: AnswerFormat = Free()

    @property
    def name(self) -> str:
        """`unscored-code-free/1`."""
        return f"unscored-{self.kind}-{self.reader.name}"

    @property
    def instruction(self) -> str:
        """That of the reader."""
        return self.reader.instruction

    def read(self, text: str) -> str | None:
        """What the reader reads."""
        return self.reader.read(text)

    async def group(self, readings: Sequence[str | None]) -> list[int | None]:
        """As the reader groups."""
        return await self.reader.group(readings)

    def refusal(self) -> TaskError:
        """The error that scoring raises."""
        return TaskError(f"answers to {self.task} cannot be scored here: it takes {NEEDS[self.kind]}. Its questions can be "
                         "asked, and recorded replies that carry a score can be replayed.")

    async def score(self, reading: str | None, references: Sequence[str]) -> float:
        """Always the TaskError."""
        raise self.refusal()


async def score(example: Example, reply: Reply | None) -> float:
    """0..1. No reply or an unread one scores 0; a recorded reply keeps its published score; all others are scored by
    the example's answer format against its references. Raises TaskError where the format refuses."""
    if reply is None:
        return 0.0
    if reply.score is not None:
        return reply.score
    format = example.request.format
    if format is None:
        raise TaskError(f"example {example.id!r} of {example.task or 'a task'} has no answer format, so it cannot be scored")
    if reply.text is None or (reply.unread and not isinstance(format, Unscored)):
        return 0.0
    reading = reply.reading if reply.reading is not None else format.read(reply.text)
    return await format.score(reading, example.references)
