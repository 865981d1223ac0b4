"""Most confident: everybody answers, and whoever is surest of its own answer is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from consilience.gather import Members, ask_all
from consilience.learn.confidence import surest
from consilience.method import Level, Method
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class MostConfident(Method):
    """Ask all members and answer with the reply whose tokens are likeliest.

    Answers that cannot be read are never sure. Ties (within 1e-9) go to the better on dev. Use it as the plain control of
    `slm-mux`, which asks how far samples agree instead, with members of one tokenizer: likelihoods of others differ.
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "folklore"
    cost: ClassVar = "N"
    extras: ClassVar = frozenset({"logprobs"})

    confidence: Literal["mean", "min"] = "mean"
    """Mean or least token probability."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Ask all members once; give the readable answer that is surest by `confidence`."""
        return await surest(request, await ask_all(members, request), self.confidence)
