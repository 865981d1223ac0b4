"""Verifier fallback: small members first; a verifier accepts an answer or passes the question on."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from consilience.errors import ModelError, NoAnswerError
from consilience.gather import Member, Members, absence, ask_all
from consilience.learn.cascades import Ordered
from consilience.learn.confidence import UNREAD, usable
from consilience.method import Role
from consilience.model import Verify
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class VerifierFallback(Ordered):
    """Members answer from cheap to dear until the verifier's score of an answer is high enough; the last answers unrated.

    From which score on is learned on dev, for the stated target or the best dev score, or given as `threshold`. Use it
    where a verifier (a reward model, a checker) knows right answers better than the small members do. An answer without
    a score is passed on. Deviation: folklore has one small and one large model; here are any number.
    """

    paper: ClassVar = "folklore; rating by a verifier: arXiv 2110.14168"
    cost: ClassVar = "2*(N - 1) + 1"
    roles: ClassVar = (Role("verifier", (Verify,), "", "rates answers; each answer it reads is a call"),)

    threshold: float | None = None
    """The verifier's score from which on an answer is taken; none: learned on dev."""
    given = property(lambda self: None if self.threshold is None else squeezed(self.threshold))

    async def tries(self, request: Request, member: Member, members: Members) -> Reply:
        """The member's answer, rated by the verifier; the evidence is its score squeezed to 0..1, and never sure without
        one."""
        reply = (await ask_all([member], request)).by_member[0][0]
        score = await _rated(request, reply, members.role("verifier"))
        return reply.noting(evidence=UNREAD) if score is None else reply.noting(evidence=squeezed(score), score=score)


async def _rated(request: Request, reply: Reply, verifier: Member) -> float | None:
    """The verifier's score; None where there is no answer, or no score."""
    if not usable(request, reply):
        return None
    try:
        [score] = await verifier.verify(request, [reply.text or ""])
    except (ModelError, NoAnswerError) as error:
        verifier.run.absent.append(absence(verifier, error))
        return None
    return None if score is None or not isfinite(score) else score


def squeezed(score: float) -> float:
    """Any score between 0 and 1, in the same order; 0 becomes a half."""
    return 0.5 + 0.5 * score / (1 + abs(score))
