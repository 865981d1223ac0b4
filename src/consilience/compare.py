"""Comparing answers: replies in classes of equal readings, and which of them wins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import TYPE_CHECKING, Any

from consilience.errors import TeamError
from consilience.types import Reply, Request, digest

if TYPE_CHECKING:
    from consilience.gather import Wave


@dataclass(frozen=True, slots=True)
class Class:
    """Replies whose readings are equal."""

    replies: tuple[Reply, ...]
    weight: float

    @property
    def reading(self) -> str:
        """The reading of the first."""
        return self.replies[0].reading or ""


async def classes(request: Request, replies: Sequence[Reply],
                  weight: Callable[[Reply], float] = lambda _: 1.0) -> list[Class]:
    """Replies grouped by equal reading, in order of first appearance; unread ones abstain."""
    if request.format is None:
        raise TeamError("comparing answers needs an answer format on the request (choice, number, exact, ...)")
    numbers = await request.format.group([r.reading for r in replies])
    found: dict[int, list[Reply]] = {}
    for number, reply in zip(numbers, replies, strict=True):
        if number is not None:
            found.setdefault(number, []).append(reply)
    return [Class(tuple(group), sum(weight(r) for r in group)) for group in found.values()]


def likelihood(reply: Reply) -> float:
    """Geometric mean of the probabilities of a reply's tokens, 0 for no tokens. TeamError where they were not given."""
    if reply.tokens is None:
        raise TeamError(f"weights='likelihood' needs token log-probabilities, which {reply.model} did not give")
    return exp(reply.logprob or 0.0) if reply.tokens else 0.0


def tally(groups: Sequence[Class]) -> dict[str, Any]:
    """Weights by reading, for the note of a vote."""
    return {group.reading: round(group.weight, 6) for group in groups}


def winner(groups: Sequence[Class], wave: Wave) -> Reply:
    """First reply of the heaviest class; ties to the class whose best voter is better on dev, then team order."""
    def rank(group: Class) -> tuple[float, float, int]:
        """Most weight, then the best voter on dev, then the first in team order."""
        voters = [wave.speaker(r) for r in group.replies]
        return (-round(group.weight, 9), -max(v.standing or 0.0 for v in voters), min(v.index for v in voters))

    return min(groups, key=rank).replies[0]


async def plurality(request: Request, wave: Wave) -> Reply:
    """The reply that most agree with; the best member's where nothing can be read or compared."""
    groups = await classes(request, wave.replies) if request.format is not None else []
    return winner(groups, wave) if groups else wave.best


def stated(before: Wave, after: Wave) -> Wave:
    """The later wave, but for members whose later text states no answer and whose earlier one did: a comment is no vote."""
    def read(replies: Sequence[Reply]) -> bool:
        """Whether a member's first reply could be read."""
        return bool(replies) and replies[0].reading is not None

    pairs = zip(before.by_member, after.by_member, strict=True)
    return replace(after, by_member=tuple(old if not new or read(old) and not read(new) else new for old, new in pairs))


def legible(replies: Sequence[Reply]) -> list[Reply]:
    """The replies that can be read, or all where none can: an unread one wins nothing that another could win."""
    return [reply for reply in replies if reply.reading is not None] or list(replies)


async def agreed(request: Request, wave: Wave) -> bool:
    """Whether at least two replies have text, and all that have it are read as one answer."""
    if request.format is None or len(wave.replies) < 2:
        return False
    groups = await classes(request, wave.replies)
    return len(groups) == 1 and len(groups[0].replies) == len(wave.replies)


def shuffled(request: Request, texts: Sequence[str]) -> list[str]:
    """Texts in an order drawn from the request's seed and their content, so that neither place nor name of a member
    tells in a prompt."""
    return sorted(texts, key=lambda text: digest([request.seed, request.question, text]))


def different(request: Request, replies: Sequence[Reply], most: int | None = None) -> list[str]:
    """The different texts among replies, in an order drawn in the same way; at most `most`."""
    return shuffled(request, list(dict.fromkeys(r.text or "" for r in replies)))[:most]
