"""Nudging: where a base model is unsure, a small aligned model writes a word or two, and the base goes on. Fei et al. 2025."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.gather import Members, write_together
from consilience.learn.trials import best
from consilience.method import Cast, Dev, Level, Method, Role
from consilience.model import NextTokens
from consilience.registry import register
from consilience.types import Reply, Request


@dataclass(frozen=True)
class Nudged(Policy):
    """Member 0 writes while its likeliest token has at least `gamma`; otherwise member 1 does, to the end of a word at least."""

    gamma: float
    state: ClassVar[tuple[float, ...]] = (0.0,)
    mixed: ClassVar[bool] = True

    def prepare(self, material: Material) -> Any:
        """Which of the nudger's tokens begin a word, or end the text."""
        import torch

        words = material.vocabularies[1]
        opens = torch.from_numpy(words.opens_word.copy())
        opens[list(words.ends)] = True
        return opens.to(material.embeddings[1].device)

    def decide(self, sight: Sight) -> Move:
        """While nudging the nudger is asked first: within a word it goes on whatever the base thinks."""
        import torch

        base, nudger = sight.known
        inside = sight.state[:, 0] > 0
        within = inside & nudger & ~sight.prepared[sight.logits[1].argmax(-1)]
        unsure = base & (sight.logits[0].softmax(-1).amax(-1) < self.gamma) | sight.gone[0]
        nudging = (within | unsure) & ~sight.gone[1]
        ask = torch.stack([~base & ~within & (nudger | ~inside | sight.gone[1]), ~nudger & (inside | unsure)])
        return Move(ask, nudging.long(), state=nudging[:, None].float())


@register
@dataclass(frozen=True)
class Nudging(Method):
    """The base writes wherever it is sure; where its likeliest token has less than `gamma`, the nudger writes whole words
    until the base is sure again.

    For a large base model that was never aligned and a small one that was: base models are unsure mostly at words of style and
    format. Works across tokenizers; base and nudger need no training. `gamma` is chosen on dev where none is given. Deviations:
    the form of the published code for endpoints, by the token: the base starts, and a nudge may be of several words. A nudge ends
    where the base is sure, not where the two would write the same word, and repeated nudges are not cut short.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Nudging, arXiv 2410.09300; MoCo, arXiv 2601.21257"
    cost: ClassVar = "2"
    mixed: ClassVar = True
    roles: ClassVar = (Role("base", (NextTokens,), "best", "writes where it is sure"),
                       Role("nudger", (NextTokens,), "worst", "writes a few words elsewhere: small and aligned"))

    gamma: float | None = None
    """Probability of its likeliest token below which the base is nudged; none: the best of 0.2 to 0.5 on dev (0.4)."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Choose `gamma` among four on dev; with one given nothing is learned."""
        if self.gamma is not None:
            return self
        return self.with_learned({"gamma": await best(dev, cast, {g: replace(self, gamma=g) for g in (0.4, 0.2, 0.3, 0.5)})})

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode both together, by 0.4 where `gamma` was neither given nor learned; when they cannot, the base answers
        alone."""
        base, nudger = members.role("base"), members.role("nudger")
        gamma = self.gamma if self.gamma is not None else self.learned.values["gamma"] if self.learned is not None else 0.4
        return await write_together([base, nudger], request, Nudged(gamma), [base, *members.ranking])
