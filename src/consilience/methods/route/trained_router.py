"""Trained router: a language model fine-tuned on dev to name the member who answers a question best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from consilience.errors import ModelError, NoAnswerError
from consilience.gather import Member, Members, absence
from consilience.learn.finetune import Tuning
from consilience.learn.labels import Ballot, taught, teach
from consilience.learn.routers import Chooser
from consilience.merge.write import cache_folder
from consilience.method import Cast, Count, Dev, Last, Role, Share
from consilience.model import NextTokens, Verify, Weights
from consilience.registry import register
from consilience.types import Request


@register
@dataclass(frozen=True)
class TrainedRouter(Chooser):
    """Fine-tune a local language model to name, by a letter, who answered each dev question best; the probabilities that
    it then gives the letters are what members are worth.

    For thousands of dev questions. With two members the probability of the stronger is the win rate of RouteLLM's causal
    LM. Ties go to the answer that the `reward` model likes best, then to the cheaper member. What money is worth is
    calibrated on the part of dev kept out of training, and only where a target is stated. The tuned checkpoint stays in
    the cache folder (`tuned`), not in the saved team. Deviations: one scoring call of the letters instead of a generated
    index; all linear layers get an adapter.
    """

    paper: ClassVar = "MoCo (trained router), arXiv 2601.21257; RouteLLM (causal LM), arXiv 2406.18665"
    cost: ClassVar = "1 + (N > 1)"
    roles: ClassVar = (Role("router", (NextTokens, Weights), "", "a local model, of which a copy is tuned"),
                       Role("reward", (Verify,), "none", "breaks ties between equally right answers"))

    epochs: Count = 5
    """Times that every question is seen."""
    rate: float = 2e-4
    """Highest learning rate."""
    rank: int = 64
    """Rank of the adapter (LoRA); 0: all weights are tuned."""
    batch: Count = 32
    """Questions of a step."""
    held_out: Share = 0.1
    """Share of dev kept out of training, at least one question."""
    drop_uninformative: bool = True
    """Whether questions on which all members score alike are left out of training."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Train the router's adapter on dev, and choose the price of money on the questions that were held out. A team of one
        needs no router."""
        if len(cast.members) == 1:
            return self.with_learned({"members": [cast.members[0].card.name]})
        tuning = Tuning(self.epochs, self.rate, self.batch, self.rank)
        lesson = await teach(self, dev, cast, tuning, self.held_out, self.drop_uninformative)
        return self.priced(lesson.held, lesson.worth, lesson.facts, {}, None if self.aims else [0.0])

    async def run(self, request: Request, members: Members) -> Last:
        """Ask the member whose letter the tuned router finds likeliest, less its price; the best on dev when the router
        fails."""
        if len(members) == 1:
            return Last(members[0], request)
        router = members.role("router")
        tuned = taught(router.model, cache_folder("tuned") / self.found().values["checkpoint"])
        try:
            ballot = Ballot.of([m.card for m in members])
            worth = await ballot.chances(Member(tuned, router.index, router.run).next, request.question)
        except (ModelError, NoAnswerError) as error:
            router.run.absent.append(absence(router, error))
            return Last.ranked(members.ranking, request, routed=False)
        return self.answer(request, self.ranking(request, members, worth), worth.round(6).tolist())
