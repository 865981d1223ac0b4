"""FusionRoute: a router picks an expert for every token and adds its own logits to that expert's. Xiong et al. 2026."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.gather import Members, write_together
from consilience.learn.heads import Head, Places, apply, choosing
from consilience.learn.trials import best
from consilience.method import Cast, Dev, Level, Method, Role
from consilience.model import Hidden, NextTokens, Score
from consilience.registry import register
from consilience.types import Reply, Request


@dataclass(frozen=True)
class Routed(Policy):
    """The head on member 0's state names one of the others, which writes; `beta` times member 0's logits are added."""

    head: Head
    beta: float
    hidden: ClassVar[tuple[int, ...]] = (0,)

    def prepare(self, material: Material) -> Any:
        """The head's weights."""
        return self.head.tensor(material.embeddings[0].device)

    def decide(self, sight: Sight) -> Move:
        """The router is asked first, then the expert that it names."""
        import torch
        from consilience.decode.tensors import log_probs

        router, experts = sight.known[0] | sight.gone[0], sight.known[1:]
        if not router.all() or sight.hidden[0] is None:
            return Move(torch.cat([~sight.known[:1], torch.zeros_like(experts)]))
        taste = apply(sight.prepared, sight.hidden[0]).masked_fill(sight.gone[1:].T, -torch.inf)
        named = taste.argmax(-1)
        ask = torch.nn.functional.one_hot(named, len(experts)).T.bool()
        each = torch.arange(len(named), device=named.device)
        own = log_probs(torch.stack(list(sight.logits)[1:])[named, each])
        return Move(torch.cat([~sight.known[:1] & ~sight.gone[:1], ask]), named + 1, own + self.beta * sight.logits[0])


@register
@dataclass(frozen=True)
class FusionRoute(Method):
    """A router model's hidden state chooses the expert (member) of each token, and its own logits correct that expert's.

    Choosing alone cannot write a token that no expert wants; the added logits can. The head is fitted on dev: it should name
    the expert that finds the tokens of right answers likeliest. `beta`, the weight of the router's logits, is chosen on dev.
    Deviations: the router is not trained (no fine-tuning, no preferences), only its head is, so `beta` is often 0; nothing
    keeps an expert on for a few tokens, and router and experts have one vocabulary.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "FusionRoute, arXiv 2601.05106"
    cost: ClassVar = "N + 1"
    needs: ClassVar = (NextTokens, Score)
    must_fit: ClassVar = True
    roles: ClassVar = (Role("router", (NextTokens, Hidden), "best", "reads along and chooses: a small model"),)

    beta: float | None = None
    """Weight of the router's logits; none: the best of 0, 0.25, 0.5 and 1 on dev."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Learn whose next token is the likeliest to be right from the router's hidden states, then choose `beta` among four
        on dev, unless it is given."""
        places = await Places.of(dev, cast, cast.roles["router"][0], cast.members)
        made = self.with_learned({"beta": self.beta or 0.0}, head=choosing(places.states, places.log_p.T))
        if self.beta is not None:
            return made
        beta = await best(dev, cast, {b: replace(made, beta=b) for b in (0.0, 0.25, 0.5, 1.0)})
        return made.with_learned({"beta": beta}, **made.found().arrays)

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode router and members together; when they cannot, the best on dev answers alone."""
        found, router = self.found(), members.role("router")
        scheme = Routed(Head.of(found.arrays["head"]), found.values["beta"] if self.beta is None else self.beta)
        return await write_together([router, *members], request, scheme, members.ranking)
