"""A task: questions with references in two splits, and what methods may do with the one they learn from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from consilience.errors import ModelError, NoAnswerError, TaskError
from consilience.gather import clock
from consilience.method import Method, Scored
from consilience.reading.text import squeeze
from consilience.tasks.score import Unscored, score
from consilience.team import Team
from consilience.types import Draws, Example, Scope, digest

if TYPE_CHECKING:
    from consilience.model import Model

T = TypeVar("T")

WINDOW = 64
"""Questions under way at a time."""


@dataclass(frozen=True)
class Split(Sequence[Example]):
    """Examples in a fixed order. As `dev` it is what methods learn from (the protocol `method.Dev`)."""

    name: str
    examples: tuple[Example, ...]
    window: int = WINDOW
    standing: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Mean scores of the models that `replies` has asked here, by fingerprint: so they stand in `evaluate`."""

    def __len__(self) -> int:
        return len(self.examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Split: ...
    def __getitem__(self, index: int | slice) -> Example | Split:
        """One example, or a split of some."""
        if isinstance(index, slice):
            return replace(self, examples=self.examples[index])
        return self.examples[index]

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    async def replies(self, models: Sequence[Model], draws: Draws = Draws(),
                      extras: frozenset[str] = frozenset()) -> list[list[Scored]]:
        """`[model][example]`: the first draw of each model with its score; a model that failed is absent, score 0.

        `extras` (such as `logprobs`) are asked for with the drafts. Raises TaskError, before any call, when the task
        cannot be scored here.
        """
        self._scorable(models)

        async def one(job: tuple[Model, Example]) -> Scored:
            """One model's draft of one example."""
            return await self.draft(*job, draws, extras)

        flat = await windowed(one, [(m, e) for m in models for e in self.examples], self.window * max(1, len(models)))
        rows = [flat[place * len(self):(place + 1) * len(self)] for place in range(len(models))]
        if draws == Draws():
            self.standing.update({m.card.fingerprint: sum(s.score for s in row) / max(1, len(row))
                                  for m, row in zip(models, rows, strict=True)})
        return rows

    async def draft(self, model: Model, example: Example, draws: Draws, extras: frozenset[str]) -> Scored:
        """The first of the draws, read and scored; a model that is down or silent scores 0."""
        clock.set(0.0)
        try:
            replies = await model.generate(example.request, draws, Scope(example=example.id, extras=extras))
        except (ModelError, NoAnswerError):
            return Scored(None, 0.0)
        reply = replies[0].read(example.request.format)
        return Scored(reply, await score(example, reply))

    async def evaluate(self, method: Method | Model, members: Sequence[Model] = ()) -> list[float]:
        """Score per example of a method with these members, standing as they did in `replies`, or of a model (such as a
        team) as it is."""
        model: Model = self._team(method, members) if isinstance(method, Method) else method
        [row] = await self.replies([self.tried(model)])
        return [scored.score for scored in row]

    def tried(self, model: Model) -> Model:
        """What is asked where a model is evaluated."""
        return model

    def _team(self, method: Method, members: Sequence[Model]) -> Team:
        known = [self.standing[m.card.fingerprint] for m in members if m.card.fingerprint in self.standing]
        return Team(method, members, standing=known if len(known) == len(members) else None)

    def folds(self, k: int) -> list[Split]:
        """k parts of nearly equal size and mix of skills, disjoint by content; examples of one cluster stay together."""
        groups: dict[str, list[Example]] = {}
        for example in self.examples:
            groups.setdefault(example.cluster or content(example), []).append(example)
        if not 1 <= k <= len(groups):
            raise TaskError(f"{k} folds of {self.name} were asked for; it has {len(groups)} distinct questions or clusters")
        dealt = sorted(groups.items(), key=lambda group: (group[1][0].skill, digest(group[0])))
        parts: list[set[str]] = [{e.id for _, group in dealt[place::k] for e in group} for place in range(k)]
        return [replace(self, name=f"{self.name}[{place + 1}/{k}]",
                        examples=tuple(e for e in self.examples if e.id in part)) for place, part in enumerate(parts)]

    def _scorable(self, models: Sequence[Model]) -> None:
        if all(_recorded(model) for model in models):
            return
        for example in self.examples:
            if isinstance(example.request.format, Unscored):
                raise example.request.format.refusal()


def _recorded(model: Model) -> bool:
    """Whether its replies carry recorded scores: a recorded model, or a team of such."""
    return model.card.recorded or (isinstance(model, Team) and all(_recorded(m) for m in model.members))


async def windowed(call: Callable[[Any], Awaitable[T]], jobs: Sequence[Any], window: int) -> list[T]:
    """The results of `call` over the jobs, in order, at most `window` at a time. The first error ends all."""
    results: list[Any] = [None] * len(jobs)
    places = iter(range(len(jobs)))

    async def work() -> None:
        """Calls in the order of the jobs, until none is left."""
        for place in places:
            results[place] = await call(jobs[place])

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(window, len(jobs))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return results


@dataclass(frozen=True)
class Task:
    """A named data set: `dev` for fitting and choosing, `test` only for the final score.

    `dropped` counts examples left out while loading, by reason (`duplicate`, `no reference`); `source` is where it came
    from. `refusal` says why answers cannot be scored here, empty when they can.
    """

    name: str
    dev: Split
    test: Split
    source: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def formats(self) -> tuple[str, ...]:
        """Names of the answer formats in use, sorted."""
        examples = (*self.dev, *self.test)
        return tuple(sorted({e.request.format.name for e in examples if e.request.format is not None}))

    @property
    def refusal(self) -> str:
        """Why answers cannot be scored here."""
        found = next((e.request.format for e in (*self.test, *self.dev) if isinstance(e.request.format, Unscored)), None)
        return str(found.refusal()) if found is not None else ""

    @property
    def skills(self) -> tuple[str, ...]:
        """The sub-tasks, sorted."""
        return tuple(sorted({e.skill for e in (*self.dev, *self.test) if e.skill}))

    def digest(self) -> str:
        """Digest of all questions, references and formats: two tasks with one digest ask and score the same."""
        return digest([[split.name, [[e.id, e.request.key(), e.request.format.name if e.request.format else "",
                                      list(e.references)] for e in split]] for split in (self.dev, self.test)])


def content(example: Example) -> str:
    """What tells one question from another: the text with its options, case and spacing aside."""
    return squeeze(example.question)
