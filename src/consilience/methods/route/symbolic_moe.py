"""Symbolic-MoE: name the skills of a question, recruit who has shown them, and let one model write the answer from theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from consilience.errors import NoAnswerError
from consilience.gather import Members, ask_each, plurality, put, shuffled
from consilience.learn.embedding import check_name
from consilience.learn.routers import check_members
from consilience.learn.skills import Profiles, learn, named, recruits
from consilience.method import Cast, Count, Dev, Last, Level, Method, Role
from consilience.registry import register
from consilience.types import Reply, Request


@register
@dataclass(frozen=True)
class SymbolicMoe(Method):
    """A model names the skills that a question needs; experts are drawn by how members did on dev questions with these
    skills, and an aggregator writes the answer from theirs.

    For many members with different strengths. The aggregator is who best picks the right one among a right and two wrong
    answers to dev questions. Without a known skill the experts are drawn at random; when all fail, the aggregator answers
    alone, when it fails, the experts' majority. Deviations: skills are matched by their letters unless an embedding is
    named; members rarely recruited are left out by their share on dev, not of a batch of questions.
    """

    level: ClassVar = Level.ROUTE
    paper: ClassVar = "Symbolic-MoE, arXiv 2503.05641"
    cost: ClassVar = "(draws + experts)*(N > 1) + 1"
    must_fit: ClassVar = True
    roles: ClassVar = (Role("tagger", doc="names the skills of questions"),
                       Role("aggregator", default="none", doc="writes the answer; without one, who did it best on dev"))

    experts: Count = 3
    """Experts drawn for a question, with replacement; one drawn twice answers twice."""
    draws: Count = 5
    """Lists of skills asked for; those that more than one names count."""
    embedding: str = "letters"
    """How close skills are told: by their letters, or `model2vec:NAME` or `sentence-transformers:NAME`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name("tfidf" if self.embedding == "letters" else self.embedding)

    def check(self, cast: Cast) -> None:
        """Raises TeamError for other members than those that it was fitted for."""
        check_members(self, cast)

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Learn the members' profiles over the skills that dev questions need, and who fuses best."""
        profiles, aggregator = await learn(dev, cast, self.draws, self.embedding)
        names = [m.card.name for m in cast.members]
        return self.with_learned({"members": names, "skills": list(profiles.skills), "aggregator": aggregator},
                                 profile=profiles.profile, space=profiles.space, usual=profiles.usual)

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Name the question's skills, draw `experts` by their profiles, and let the aggregator fuse what they say. The
        experts' vote stands when it fails; when no expert answers, it answers the question itself."""
        if len(members) == 1:
            return Last(members[0], request)
        values, arrays = self.found().values, self.found().arrays
        profiles = Profiles(values["skills"], arrays["profile"], arrays["space"], arrays["usual"])
        rows = profiles.known(await named(request, members.role("tagger"), self.draws), self.embedding)
        experts = recruits(request, members, profiles.chances(rows), self.experts)
        note = {"skills": [profiles.skills[i] for i in rows], "experts": [m.name for m in experts]}
        aggregator = members.roles["aggregator"][0] if members.roles["aggregator"] else members[values["aggregator"]]
        try:
            wave = await ask_each(experts, [request] * len(experts))
            best = await plurality(request, wave)
        except NoAnswerError:
            return Last.ranked([aggregator, *(m for m in members.ranking if m is not aggregator)], request, **note)
        texts = shuffled(request, [r.text or "" for r in wave.replies])
        return Last(aggregator, put(request, "fuse", candidates=texts), best, note)
