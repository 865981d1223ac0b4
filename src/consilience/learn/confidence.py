"""How sure a member is of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Literal

from consilience.errors import TeamError
from consilience.gather import Wave, classes, place_of
from consilience.types import Reply, Request

Rule = Literal["mean", "min", "agreement", "margin"]
"""Mean or least probability of the emitted tokens; the share of samples that agree, or its lead over the next share."""

UNREAD = -1.0
"""Confidence of no answer, and of one that cannot be read: such an answer is never sure."""


def sampled(rule: str) -> bool:
    """Whether a rule compares several samples."""
    return rule in ("agreement", "margin")


async def measure(request: Request, replies: Sequence[Reply], rule: Rule) -> tuple[int, float]:
    """Which of the replies of one member stands for them, and how sure the member is, 0..1."""
    if rule == "agreement" or rule == "margin":
        return await consensus(request, replies, rule)
    return 0, certainty(request, replies[0], rule)


async def surest(request: Request, wave: Wave, rule: Rule) -> Reply:
    """The answer of the member that is surest of it; ties (within 1e-9) to the better on dev, then team order. Where
    nobody is sure, the best member's text."""
    found = []
    for member, replies in zip(wave.members, wave.by_member, strict=True):
        if any(r.text for r in replies):
            chosen, sure = await measure(request, replies, rule)
            found.append((-round(sure, 9), *place_of(member), replies[chosen]))
    if not any(f[0] for f in found):
        return wave.best
    sure, *_, reply = min(found, key=lambda f: f[:4])
    return reply.noting(confidence=-sure, sure={f[-1].model: -f[0] for f in found})


def certainty(request: Request, reply: Reply, rule: Literal["mean", "min"]) -> float:
    """Mean or least probability of the emitted tokens; 0 for no tokens and for a text that cannot be read.

    Raises TeamError when the model gave no log-probabilities at all.
    """
    if not logprobs(reply) or unread(request, reply):
        return 0.0
    chances = [exp(logprob) for logprob in logprobs(reply)]
    return min(chances) if rule == "min" else sum(chances) / len(chances)


def logprobs(reply: Reply) -> list[float]:
    """Log-probabilities of the emitted tokens, none for an empty text; a TeamError when the model gave none at all."""
    if reply.text and reply.tokens is None:
        raise TeamError(f"{reply.model} gave no token log-probabilities, by which confidence is measured; "
                        "a model that does, or confidence='agreement' or 'ask', would do")
    return [token.logprob for token in reply.tokens or ()] if reply.text else []


def unread(request: Request, reply: Reply) -> bool:
    """Whether the answer format of the request finds no answer in the reply."""
    return request.format is not None and reply.reading is None and request.format.read(reply.text or "") is None


def usable(request: Request, reply: Reply | None) -> bool:
    """Whether there is an answer: a text that can be read, or a recorded score without text."""
    if reply is None or not reply.text:
        return reply is not None and reply.text is None and reply.score is not None
    return not unread(request, reply)


async def consensus(request: Request, replies: Sequence[Reply],
                    rule: Literal["agreement", "margin"] = "agreement") -> tuple[int, float]:
    """Index of the first reply of the largest class of equal readings, and its share of all; (0, 0) without any.

    With `margin`, its share less that of the second class. A single reply of a team is judged by the team's own parts:
    the share of them that say the same (agreement-based cascading, arXiv 2407.02348); those that an early stop did not ask
    count as others.
    """
    if len(replies) == 1 and replies[0].parts:
        groups = await classes(request, [replies[0], *replies[0].parts])
        own = next((g for g in groups if g.replies[0] is replies[0]), None)
        said = len(own.replies) - 1 if own is not None else 0
        note = replies[0].note
        everybody = len(replies[0].parts) + (note["unasked"] if "unasked" in note else 0)
        return 0, _lead(said, [len(g.replies) for g in groups if g is not own], rule) / everybody
    read = [r if r.reading is not None or not r.text or request.format is None
            else r.having(reading=request.format.read(r.text)) for r in replies]
    groups = await classes(request, read)
    if not groups:
        return 0, 0.0
    most = max(groups, key=lambda g: len(g.replies))
    rest = [len(g.replies) for g in groups if g is not most]
    return next(i for i, r in enumerate(read) if r is most.replies[0]), _lead(len(most.replies), rest, rule) / len(replies)


def _lead(most: int, rest: Sequence[int], rule: str) -> int:
    return max(0, most - max(rest, default=0)) if rule == "margin" else most


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile, linearly interpolated."""
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])
