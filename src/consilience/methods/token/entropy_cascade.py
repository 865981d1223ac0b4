"""A cascade by the token: the large model writes those tokens of which the small one is unsure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from consilience.decode.policy import Move, Policy, Sight
from consilience.gather import Members, write_together
from consilience.learn.trials import best
from consilience.method import Cast, Dev, Level, Method, Role
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@dataclass(frozen=True)
class Unsure(Policy):
    """The first writes; where the entropy of its next token is above `most`, the second is asked and writes."""

    most: float
    mixed: ClassVar[bool] = True

    def decide(self, sight: Sight) -> Move:
        """Who is needed: the first always, the second where the first is unsure (or has left)."""
        import torch
        from consilience.decode.tensors import entropy, log_probs
        first, second = sight.known
        unsure = first & (entropy(log_probs(sight.logits[0])) > self.most) | sight.gone[0]
        return Move(torch.stack([~first, unsure]), (unsure & second).long())


@register
@dataclass(frozen=True)
class EntropyCascade(Method):
    """Hand single tokens to a larger model: where the small one's next token has an entropy above `most`, in nats.

    The large model reads what it missed in one forward when it is next asked. The note says who wrote how many tokens
    and how many forwards each took. Members may have different vocabularies.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "token-level cascades: arXiv 2404.10136 (uncertainty), 2601.05110 (entropy of the next token)"
    cost: ClassVar = "2"
    mixed: ClassVar = True
    roles: ClassVar = (Role("small", (NextTokens,), "worst", "writes wherever it is sure"),
                       Role("large", (NextTokens,), "best", "writes the other tokens"))

    most: float | None = None
    """Entropy in nats up to which the small model writes; none: from dev (1 without a fit)."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Choose `most` among five on dev; with one given nothing is learned."""
        if self.most is not None:
            return self
        return self.with_learned({"most": await best(dev, cast, {t: replace(self, most=t) for t in (2.0, 1.0, 0.5, 0.2, 0.05)})})

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode both together, by an entropy of 1 nat where none was given or learned; when they cannot, the large one
        answers alone."""
        small, large = members.role("small"), members.role("large")
        most = self.most if self.most is not None else self.learned.values["most"] if self.learned is not None else 1.0
        return await write_together([small, large], request, Unsure(most), [large, *members.ranking])
