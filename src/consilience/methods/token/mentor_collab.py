"""MentorCollab: a small model writes; at some places a large one is compared with, and may write a short segment. 2026."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.gather import Members, write_together
from consilience.learn.heads import Head, Places, apply, choosing
from consilience.method import Cast, Count, Dev, Level, Method, Role, Share
from consilience.model import Hidden, NextTokens, Score
from consilience.registry import register
from consilience.types import Reply, Request


@dataclass(frozen=True)
class Mentored(Policy):
    """Member 0 writes; with probability `share` member 1 is compared with, and where their likeliest tokens differ, the head on
    member 0's state (without one: who is surer) decides whether member 1 writes the next `patch` tokens."""

    head: Head | None
    share: float
    patch: int
    state: ClassVar[tuple[float, ...]] = (0.0,)
    hidden: ClassVar[tuple[int, ...]] = (0,)

    def prepare(self, material: Material) -> Any:
        """The head's weights."""
        return None if self.head is None else self.head.tensor(material.embeddings[0].device)

    def decide(self, sight: Sight) -> Move:
        """The state: tokens that the mentor still writes."""
        import torch

        own, mentor = sight.logits
        taught = ((sight.state[:, 0] > 0) | sight.gone[0]) & ~sight.gone[1]
        compared = ~taught & (sight.noise < self.share) & ~sight.gone[1]
        if sight.prepared is None or sight.hidden[0] is None:
            better = mentor.softmax(-1).amax(-1) > own.softmax(-1).amax(-1)
        else:
            better = apply(sight.prepared, sight.hidden[0])[:, 1] > apply(sight.prepared, sight.hidden[0])[:, 0]
        turns = compared & sight.known.all(0) & (own.argmax(-1) != mentor.argmax(-1)) & better
        left = torch.where(turns, float(self.patch), sight.state[:, 0]) - 1
        ask = torch.stack([~taught, taught | compared & sight.known[0]])
        return Move(ask & ~sight.known, (taught | turns).long(), state=left.clamp_min(0.0)[:, None])


@register
@dataclass(frozen=True)
class MentorCollab(Method):
    """The generator writes; at randomly chosen tokens the mentor is asked too, and where they differ a verifier decides whether
    the mentor writes a short segment.

    For a small reasoner that loses its way now and then: most tokens stay the small model's. Fitted, the verifier is a head on
    the generator's hidden state, learned from right answers on dev; without a fit the surer of the two is believed.
    Deviations: tokens are compared, not words; the verifier judges the next token instead of two segments; a linear head.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "MentorCollab, arXiv 2602.05307; MoCo, arXiv 2601.21257"
    cost: ClassVar = "2"
    roles: ClassVar = (Role("generator", (NextTokens, Hidden, Score), "worst", "writes: a small model"),
                       Role("mentor", (NextTokens, Score), "best", "helps: a large model"))

    share: Share = 0.25
    """Share of tokens at which the mentor is compared with."""
    patch: Count = 16
    """Tokens of a mentor's segment."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Learn from the generator's hidden states where the mentor gives dev answers the higher probability."""
        [generator], [mentor] = cast.roles["generator"], cast.roles["mentor"]
        places = await Places.of(dev, cast, generator, [generator, mentor])
        return self.with_learned({}, head=choosing(places.states, places.log_p.T))

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode both together; when they cannot, the generator answers alone."""
        cast = [members.role("generator"), members.role("mentor")]
        head = Head.of(self.learned.arrays["head"]) if self.learned is not None else None
        return await write_together(cast, request, Mentored(head, self.share, self.patch), [cast[0], *members.ranking])
