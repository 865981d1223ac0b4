"""Skills that questions need, as a model names them; how members did on each; and who is worth asking."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self
from zlib import crc32

from consilience.errors import ModelError, NoAnswerError
from consilience.gather import Member, Members, absence, price_of, put
from consilience.learn.embedding import restored, unit
from consilience.method import Cast, Dev, Last, Level, Method, Scored
from consilience.prompt import worded
from consilience.team import Team
from consilience.types import Reply, Request, Wording, digest

if TYPE_CHECKING:
    import numpy as np

NAMED = Wording("{question}\n\nDo not answer. Name the two to five skills or fields of knowledge that this question "
                "needs, each in one to three words, separated by commas. Write nothing else.")
RARE = 0.05
"""Members with a smaller share of the recruits on dev are not recruited."""
LONGEST = 20
"""Characters of the longest name of a skill."""
BUCKETS = 1 << 11
"""Hash buckets of letters."""


async def named(request: Request, member: Member, draws: int) -> list[str]:
    """Skills that more than one of `draws` replies name (of a single reply, all), sorted; none when the model fails."""
    ask = worded(request, NAMED).sampled(max_tokens=48)
    try:
        replies = await member.draw(ask, draws)
    except (ModelError, NoAnswerError) as error:
        member.run.absent.append(absence(member, error))
        return []
    seen = Counter(skill for reply in replies for skill in listed(reply.text or ""))
    return sorted(skill for skill, n in seen.items() if n > 1 or draws == 1)


def listed(text: str) -> set[str]:
    """Names in a list written with commas, semicolons or lines, in small letters; long ones are left out."""
    parts = (" ".join(re.findall(r"[\w+#'-]+", part.lower())) for part in re.split(r"[,;\n]|(?<!\d)\d+[.)]", text))
    return {part for part in parts if part and len(part) <= LONGEST}


def vectors(embedding: str, texts: Sequence[str]) -> np.ndarray:
    """Unit vectors of short names, float32 [texts, width]: of their letters in threes (`letters`), or of a library."""
    import numpy as np

    if embedding != "letters":
        return restored(embedding, {}).encode(texts)
    out = np.zeros((len(texts), BUCKETS), np.float32)
    for line, text in zip(out, texts, strict=True):
        padded = f"  {text} "
        for i in range(len(padded) - 2):
            line[crc32(padded[i:i + 3].encode()) % BUCKETS] += 1
    return unit(out)


@dataclass(frozen=True, slots=True)
class Profiles:
    """How members did on each of `skills`: `profile` [skills, members] is the right less the wrong answers to dev
    questions that need it, `space` [skills, width] the skills' vectors, `usual` [members] 1 for who is recruited at all."""

    skills: Sequence[str]
    profile: np.ndarray
    space: np.ndarray
    usual: np.ndarray

    @classmethod
    def of(cls, needed: Sequence[Sequence[str]], right: np.ndarray, embedding: str) -> Self:
        """From the skills that each dev question needs, and who was right [questions, members]. Members with less than a
        share of RARE in all recruits are left out."""
        import numpy as np

        skills = sorted({skill for own in needed for skill in own})
        place = {skill: i for i, skill in enumerate(skills)}
        profile = np.zeros((len(skills), right.shape[1]))
        for own, line in zip(needed, right, strict=True):
            profile[[place[skill] for skill in own]] += np.where(line, 1.0, -1.0)
        made = cls(skills, profile, vectors(embedding, skills), np.ones(right.shape[1]))
        shares = [made.chances([place[skill] for skill in own]) for own in needed if own]
        return replace(made, usual=(np.mean(shares, axis=0) >= RARE).astype(np.float64)) if shares else made

    def known(self, names: Sequence[str], embedding: str) -> list[int]:
        """Places of the skills nearest to these; a name that is like none is left out."""
        if not names or not len(self.skills):
            return []
        near = vectors(embedding, names) @ self.space.T
        return sorted({int(line.argmax()) for line in near if line.max() > 0})

    def chances(self, rows: Sequence[int]) -> np.ndarray:
        """Chances of the members [members] to be drawn for a question that needs the skills in these rows; equal for none.

        Suitability u is the sum over the skills; strength g the square of the sum over all skills, shifted to be at least
        1. Members with u > 0 have the weight u*g; where there is none, all have (u - min u + 1)*g.
        """
        import numpy as np

        if not len(rows):
            return np.full(self.profile.shape[1], 1 / self.profile.shape[1])
        total, suited = self.profile.sum(axis=0), self.profile[list(rows)].sum(axis=0)
        fit = np.where(suited > 0, suited, 0.0) if (suited > 0).any() else suited - suited.min() + 1
        weight = fit * (total - total.min() + 1) ** 2
        weight = weight * self.usual if (weight * self.usual).any() else weight
        chances: np.ndarray = weight / weight.sum()
        return chances


def recruits(request: Request, members: Members, chances: np.ndarray, n: int) -> list[Member]:
    """`n` members drawn with replacement by the question's content and seed, in team order."""
    import numpy as np

    rng = np.random.default_rng(int(digest([members.run.stream, request.key()])[:12], 16))
    order = sorted(members, key=lambda m: (m.card.fingerprint, m.copy))
    picks = rng.choice(len(order), size=n, p=chances[[m.index for m in order]])
    return sorted((order[i] for i in picks), key=lambda m: m.index)


async def learn(dev: Dev, cast: Cast, draws: int, embedding: str) -> tuple[Profiles, int]:
    """What the members' dev answers say about their skills, and the place of the member that best writes an answer from
    right and wrong ones (-1 where another model does that)."""
    import numpy as np

    rows = await dev.replies(cast.members)
    [told] = await dev.replies([Team(Naming(draws), cast.roles["tagger"])])
    needed = [list(s.reply.note["skills"]) if s.reply is not None else [] for s in told]
    profiles = Profiles.of(needed, np.array([[s.score >= 0.5 for s in row] for row in rows]).T, embedding)
    if cast.roles["aggregator"]:
        return profiles, -1
    writing = Aggregating(synthetic(rows, [e.question for e in dev.examples]))
    marks = [(sum(await dev.evaluate(writing, [m])), sum(s.score for s in row), -price_of(m.card))
             for m, row in zip(cast.members, rows, strict=True)]
    return profiles, marks.index(max(marks))


def synthetic(rows: Sequence[Sequence[Scored]], questions: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By question, one right and up to two wrong answers of the members, in an order drawn from their content; only
    questions that have both."""
    found = {}
    for i, question in enumerate(questions):
        said = [row[i] for row in rows if (reply := row[i].reply) is not None and reply.text]
        right = [_text(s) for s in said if s.score >= 0.5][:1]
        wrong = [text for text in dict.fromkeys(_text(s) for s in said if s.score < 0.5) if text not in right][:2]
        if right and wrong:
            found[question] = tuple(sorted((*right, *wrong), key=lambda text: digest([question, text])))
    return found


def _text(scored: Scored) -> str:
    return (scored.reply.text or "") if scored.reply is not None else ""


@dataclass(frozen=True)
class Naming(Method):
    """For fitting: the first member names the skills of a question, in the note of its reply."""

    level: ClassVar = Level.ROUTE

    draws: int = 5

    async def run(self, request: Request, members: Members) -> Reply:
        """The skills that the first member names, as a text and in the note."""
        skills = await named(request, members[0], self.draws)
        return Reply(", ".join(skills) or "none", note={"skills": skills})


@dataclass(frozen=True)
class Aggregating(Method):
    """For fitting: the first member writes an answer from given candidates."""

    level: ClassVar = Level.ROUTE

    candidates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    async def run(self, request: Request, members: Members) -> Last:
        """Fuse the candidates known for this question; NoAnswerError where there are none."""
        if request.question not in self.candidates:
            raise NoAnswerError("there are no candidates for this question")
        return Last(members[0], put(request, "fuse", candidates=self.candidates[request.question]))
