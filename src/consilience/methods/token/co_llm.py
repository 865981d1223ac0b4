"""Co-LLM: a base model learns when to let an assistant write the next token. Shen et al. 2024."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from consilience.gather import Members, write_together
from consilience.learn.heads import Deferred, Head, Places, choosing
from consilience.learn.trials import best
from consilience.method import Cast, Dev, Level, Method, Role, Share
from consilience.model import Hidden, NextTokens, Score
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class CoLlm(Method):
    """A head on the base's hidden state says how likely the assistant should write the next token; above `eta` it does.

    The base writes most tokens and calls for help where it learned to. The head is fitted by the likelihood of right answers
    on dev, with no labels of who should write; `eta` by the dev score. Deviations: only the head learns, base and assistant
    stay as they are; right answers of the members stand for gold texts, and `eta` is the same
    from the first token on (no warm-up).
    """

    name: ClassVar = "co-llm"
    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Learning to Decode Collaboratively (Co-LLM), arXiv 2403.03870; MoCo, arXiv 2601.21257"
    cost: ClassVar = "2"
    must_fit: ClassVar = True
    roles: ClassVar = (Role("base", (NextTokens, Hidden, Score), "worst", "writes, and says when it needs help"),
                       Role("assistant", (NextTokens, Score), "best", "writes where it is asked to"))

    decode: Literal["defer", "compose"] = "defer"
    """Whether one of the two writes each token, or both distributions are mixed by the head's probability."""
    eta: Share | None = None
    """Probability above which the assistant writes; none: the best on dev of 0.1, 0.3, 0.5, 0.7 and 0.9."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Learn from the hidden states of the base where the assistant gives dev answers the higher probability; then choose
        `eta` among five on dev, unless it is given or `decode` is `compose`."""
        [base], [assistant] = cast.roles["base"], cast.roles["assistant"]
        places = await Places.of(dev, cast, base, [base, assistant])
        made = self.with_learned({"eta": 0.5 if self.eta is None else self.eta}, head=choosing(places.states, places.log_p.T))
        if self.eta is not None or self.decode == "compose":
            return made
        eta = await best(dev, cast, {e: replace(made, eta=e) for e in (0.5, 0.3, 0.7, 0.1, 0.9)})
        return made.with_learned({"eta": eta}, **made.found().arrays)

    async def run(self, request: Request, members: Members) -> Reply:
        """Decode both together; when they cannot, the base answers alone."""
        base, assistant, found = members.role("base"), members.role("assistant"), self.found()
        eta = self.eta if self.eta is not None else found.values["eta"]
        scheme = Deferred(Head.of(found.arrays["head"]), eta, self.decode == "compose")
        return await write_together([base, assistant], request, scheme, [base, *members.ranking])
