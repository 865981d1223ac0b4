"""Which member a language model is taught to name for a question, and what the taught model says of others."""

from __future__ import annotations

import asyncio
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from consilience.errors import ConfigError, TeamError
from consilience.gather import at_once
from consilience.learn.finetune import MANIFEST, Pair, Tuning, tuned
from consilience.learn.goals import Aimed, costs_known
from consilience.learn.merging import weights_of
from consilience.learn.table import Table, distinct
from consilience.method import Cast, Dev, Scored
from consilience.model import Card, Model, NextTokens, Verify
from consilience.prompt import letter, put, render
from consilience.types import Request

if TYPE_CHECKING:
    import numpy as np

Next = Callable[[Request, Sequence[str]], Awaitable[list[float]]]
"""Gives the log-probability of each choice as what follows a request."""
SKEWED = 0.9
"""Share of one label from which on a router that learns them is as good as a constant."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """How a model is asked who shall answer: the form `route`, members by letter in an order of their own.

    `order[i]` is the place in the team of the member with the i-th letter.
    """

    told: tuple[str, ...]
    order: tuple[int, ...]

    @classmethod
    def of(cls, cards: Sequence[Card]) -> Self:
        """Members told by their descriptions, in the order of their fingerprints, so that the team's order is no matter."""
        order = tuple(sorted(range(len(cards)), key=lambda i: (cards[i].fingerprint, i)))
        return cls(tuple(cards[i].description or cards[i].name for i in order), order)

    def ask(self, question: str) -> Request:
        """The request that a letter is to follow."""
        return put(Request.of(question, form="answer"), "route", members=self.told)

    def letter(self, member: int) -> str:
        """The letter of the member at this place in the team."""
        return letter(self.order.index(member))

    def pairs(self, questions: Sequence[str], members: Sequence[int], card: Card) -> list[Pair]:
        """What to learn: for each question the letter of its member, in the wording of a model's card."""
        return [Pair(render(self.ask(question), card), self.letter(member))
                for question, member in zip(questions, members, strict=True)]

    async def chances(self, ask: Next, question: str) -> np.ndarray:
        """Probability of each member, by team order: float64 [members]."""
        import numpy as np

        values = np.array(await ask(self.ask(question), [letter(i) for i in range(len(self.order))]))
        odds = np.exp(values - values.max())
        found = np.empty(len(odds))
        found[list(self.order)] = odds / odds.sum()
        return found


def labels(scores: np.ndarray, rewards: np.ndarray, costs: np.ndarray, order: Sequence[int], drop: bool) -> list[int | None]:
    """The member to name for each question: the highest score, among equals the highest reward, then the cheapest on
    average, then the first in `order`. With `drop`, None where all members score alike. Arrays are [questions, members]."""
    import numpy as np

    price = np.nan_to_num(costs.mean(axis=0), nan=np.inf)
    found: list[int | None] = []
    for score, reward in zip(scores, rewards, strict=True):
        equal = np.flatnonzero(score >= score.max() - 1e-9)
        found.append(None if drop and len(equal) == len(score)
                     else int(max(equal, key=lambda m: (reward[m], -price[m], -order.index(m)))))
    return found


async def rewards(dev: Dev, asked: Sequence[Sequence[Scored]], verifier: Model | None) -> np.ndarray:
    """What a verifier gives for the members' answers `[member][example]` to each dev question: float64 [questions,
    members] in the order of `Table`; lowest where it gives nothing, 0 without a verifier."""
    import numpy as np

    rows = distinct(dev.examples)
    power = verifier.power(Verify) if verifier is not None else None
    if power is None:
        return np.zeros((len(rows), len(asked)))

    async def rate(i: int) -> list[float]:
        """The model's scores of the members' answers to one question; -inf for none."""
        texts = [(line[i].reply.text or "") if line[i].reply is not None else "" for line in asked]  # type: ignore[union-attr]
        given = (await power.verify(dev.examples[i].request, texts)).value
        return [-np.inf if value is None or not text else value for value, text in zip(given, texts, strict=True)]

    return np.array(await at_once([rate(i) for i in rows]))


def histogram(method: str, found: Sequence[int], names: Sequence[str]) -> dict[str, int]:
    """How often each member is to be named. ConfigError when there is nothing to learn; a warning when nearly always one
    member is."""
    if not found:
        raise ConfigError(f"{method}: on all dev questions all members score alike, so there is nothing to learn; with "
                          "drop_uninformative: false they are told apart by reward and cost")
    counts = Counter(found)
    member, most = counts.most_common(1)[0]
    if most > SKEWED * len(found):
        warnings.warn(f"{method}: {most} of {len(found)} labels name {names[member]}; a router that learns them is little "
                      "more than that member", stacklevel=2)
    return {names[m]: counts[m] for m in range(len(names))}


def taught(router: Model, folder: Path) -> Model:
    """The tuned checkpoint as a model on the router's host. TeamError when the folder is gone."""
    if not (folder / MANIFEST).exists():
        raise TeamError(f"the tuned router of this team is not in {folder} (the cache was emptied, or this is another "
                        "machine): fit the team again")
    return _sibling(router, folder)  # type: ignore[arg-type]    # models are told apart by identity


@lru_cache(maxsize=16)
def _sibling(router: Model, folder: Path) -> Model:
    return weights_of(router).sibling(folder, f"{router.card.name}-tuned")


def reading(model: Model) -> Next:
    """Asks a model for the log-probabilities of choices, outside a run."""
    power = model.power(NextTokens)
    if power is None:
        raise TeamError(f"{model.card.name} gives no probabilities of what comes next")

    async def ask(request: Request, choices: Sequence[str]) -> list[float]:
        """Log-probabilities of the choices after the request, as the model's own wording renders it."""
        return (await power.next(render(request, model.card), choices)).value
    return ask


@dataclass(frozen=True, slots=True)
class Lesson:
    """What teaching a router came to: the folder of the tuned checkpoint, the questions kept out and what the tuned model
    gives the members on them [questions, members], and facts to be told."""

    folder: Path
    held: Table
    worth: np.ndarray
    facts: Mapping[str, Any]


async def teach(method: Aimed, dev: Dev, cast: Cast, tuning: Tuning, held_out: float, drop: bool) -> Lesson:
    """Tune a copy of the cast's `router` to name the best member of each dev question but the share kept out."""
    import numpy as np

    asked, router = await dev.replies(cast.members), cast.roles["router"][0]
    table = Table.made(tuple(m.card.name for m in cast.members), dev.examples, asked)
    costs_known(method, table.costs, table.names)
    ballot = Ballot.of([m.card for m in cast.members])
    marks = await rewards(dev, asked, next(iter(cast.roles["reward"]), None))
    named = labels(table.scores, marks, table.costs, ballot.order, drop)
    here, there = table.folds(max(2, round(1 / max(held_out, 1e-6))))[0]
    learned = [(table.texts[i], member) for i in here if (member := named[i]) is not None]
    counts = histogram(method.name, [member for _, member in learned], table.names)
    pairs = ballot.pairs([text for text, _ in learned], [member for _, member in learned], router.card)
    folder = await asyncio.to_thread(tuned, weights_of(router).path, pairs, tuning)
    held, ask = table.among(there), reading(taught(router, folder))
    worth = np.stack([await ballot.chances(ask, text) for text in held.texts])
    right = [int(line.argmax() == named[i]) for i, line in zip(there, worth, strict=True) if named[i] is not None]
    return Lesson(folder, held, worth, {"checkpoint": folder.name, "labels": counts, "learned": len(pairs),
                                        "held_out": len(right), "named_right": sum(right)})
