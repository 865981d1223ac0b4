"""Budget guidance: a predictor of how much is still to come makes a model end within a budget of tokens. Li et al. 2025."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.gather import Members, write_together
from consilience.learn.heads import Head, Places, apply, remaining
from consilience.method import Cast, Count, Dev, Level, Method, Role
from consilience.model import Hidden, NextTokens, Score
from consilience.registry import register
from consilience.types import Reply, Request


@dataclass(frozen=True)
class Guided(Policy):
    """Adds `strength` * ln((predicted + 1) / (left + 1)) to the logits of the end of text, where more is predicted than is left."""

    head: Head
    budget: int
    strength: float
    hidden: ClassVar[tuple[int, ...]] = (0,)
    reads_text: ClassVar[bool] = True

    def prepare(self, material: Material) -> Any:
        """The head's weights, and the ids that end a text."""
        device = material.embeddings[0].device
        return self.head.tensor(device), sorted(material.vocabularies[0].ends)

    def decide(self, sight: Sight) -> Move:
        """The writer is asked for its state and its logits."""
        if sight.hidden[0] is None:
            return Move(~sight.known)
        weights, ends = sight.prepared
        expected = apply(weights, sight.hidden[0])[:, 0]
        left = (self.budget - sight.step).clamp_min(0).float()
        scores = sight.logits[0].clone()
        scores[:, ends] += self.strength * (expected - left.log1p()).clamp_min(0.0)[:, None]
        return Move(~sight.known, sight.step * 0, scores)


@register
@dataclass(frozen=True)
class BudgetGuidance(Method):
    """One member writes, led to end within `budget` tokens: a head on its hidden state predicts how many are still to come, and
    the end of the text becomes likelier where those are more than are left.

    For long reasoning that must fit a limit, without cutting it off. The head learns on dev, from lengths of the members' own
    answers. Deviation: the predictor (a Gamma distribution over every candidate token in the paper) is a linear one of the
    logarithm, and moves the end of the text alone; answers are never made longer.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Steering LLM Thinking with Budget Guidance, arXiv 2506.13752"
    cost: ClassVar = "1"
    must_fit: ClassVar = True
    roles: ClassVar = (Role("writer", (NextTokens, Hidden, Score), "best", "writes"),)

    budget: Count = 256
    """Tokens that the answer may have."""
    strength: float = 2.0
    """How strongly the end is favoured, from 0."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Learn the head that predicts ln(1 + tokens to come) from the writer's hidden states along dev answers."""
        [writer] = cast.roles["writer"]
        places = await Places.of(dev, cast, writer, [writer])
        return self.with_learned({}, head=remaining(places))

    async def run(self, request: Request, members: Members) -> Reply:
        """Let the writer answer under the guidance; when it cannot, the best on dev answers alone."""
        scheme = Guided(Head.of(self.found().arrays["head"]), self.budget, self.strength)
        return await write_together([members.role("writer")], request, scheme, members.ranking)
