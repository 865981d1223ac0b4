"""Switch generation: models take turns at writing patches of one answer; a selector names the next speaker. Feng et al. 2026."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.gather import Members, write_together
from consilience.learn.heads import Head, Places, apply, choosing, patches
from consilience.method import Cast, Count, Dev, Level, Method, Role
from consilience.model import Hidden, NextTokens, Score
from consilience.registry import register
from consilience.types import Reply, Request


@dataclass(frozen=True)
class Switching(Policy):
    """Every `patch` tokens the head on member 0's state names one of the others, which writes the next patch."""

    head: Head
    patch: int
    state: ClassVar[tuple[float, ...]] = (0.0, 0.0)
    hidden: ClassVar[tuple[int, ...]] = (0,)

    def prepare(self, material: Material) -> Any:
        """The head's weights."""
        return self.head.tensor(material.embeddings[0].device)

    def decide(self, sight: Sight) -> Move:
        """At the start of a patch the selector is asked, within one its speaker alone. The state: speaker, tokens left."""
        import torch

        speaker, left = sight.state.T
        gone = sight.gone.gather(0, speaker.long()[None])[0]
        choose = (left < 1) | gone
        ask = torch.zeros_like(sight.known)
        ask[0] = choose & ~sight.known[0] & ~sight.gone[0]
        if sight.hidden[0] is not None:
            taste = apply(sight.prepared, sight.hidden[0]).masked_fill(sight.gone[1:].T, -torch.inf)
            speaker = torch.where(choose, taste.argmax(-1) + 1, speaker)
        author = speaker.long().clamp_min(1)
        wanted = torch.nn.functional.one_hot(author, len(ask)).T.bool() & ~ask[0]
        left = torch.where(choose, float(self.patch), left)
        return Move(ask | wanted, author, state=torch.stack([author.float(), left - 1], -1))


@register
@dataclass(frozen=True)
class SwitchGeneration(Method):
    """Members write segments of `patch` tokens of one answer in turn; before each, a head on the selector's hidden state names
    who writes it.

    For checkpoints of one family with different strengths (pretrained, tuned, aligned). The head is fitted on dev: it should
    name the member under which the next patch of a right answer is likeliest. Deviations: likelihood of right answers instead of
    rewards of roll-outs, and a head instead of a fine-tuned switcher that reads labelled segments; raw text, no space added; an
    answer that ends early has ended, and nothing asks for the definite answer before the last segment.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Don't Throw Away Your Pretrained Model, arXiv 2510.09913; MoCo, arXiv 2601.21257"
    cost: ClassVar = "N + 1"
    needs: ClassVar = (NextTokens, Score)
    must_fit: ClassVar = True
    roles: ClassVar = (Role("selector", (NextTokens, Hidden), "best", "reads along and names the speakers"),)

    patch: Count = 25
    """Tokens of a segment."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Learn from the selector's hidden states which member gives the next `patch` tokens of dev answers the highest
        probability."""
        places = await Places.of(dev, cast, cast.roles["selector"][0], cast.members)
        return self.with_learned({}, head=choosing(*patches(places, self.patch)))

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode selector and members together; when they cannot, the best on dev answers alone."""
        scheme = Switching(Head.of(self.found().arrays["head"]), self.patch)
        return await write_together([members.role("selector"), *members], request, scheme, members.ranking)
