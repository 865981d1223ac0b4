"""What cascade routing learns from dev: how good every member's answer will be, before and after others have answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from consilience.errors import NoAnswerError
from consilience.gather import Member, ask_all
from consilience.learn.answers import Folds, Judge, reader, reader_again, reader_arrays
from consilience.learn.confidence import certainty, usable
from consilience.learn.embedding import Encoder, encode
from consilience.learn.estimators import fit_ridge, linear
from consilience.learn.routers import lot
from consilience.learn.table import Table
from consilience.learn.unified import FAILED, Planner, after, evidence, fit_posts, normals, root, subsets
from consilience.learn.wayfinding import Rehearsed, planned_cost
from consilience.method import Learned
from consilience.types import Reply, Request

if TYPE_CHECKING:
    import numpy as np

Rating = Literal["text", "mean", "min"]
"""By a scorer of the answer's text, or by the mean or least probability of its tokens."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What members that are planned with said: answers `[question][member]`, classes of equal readings (-1 for none),
    whether there is a usable answer, and ratings by tokens (0 where texts are to be rated), each [questions, members]."""

    answers: list[list[str | None]]
    classes: np.ndarray
    there: np.ndarray
    ratings: np.ndarray


async def shown(requests: Sequence[Request], replies: Sequence[Sequence[Reply | None]], rating: Rating) -> Shown:
    """What replies `[question][member]` show; None for a member that was not asked, or did not answer."""
    import numpy as np

    there = [[usable(q, r) for r in line] for q, line in zip(requests, replies, strict=True)]
    said = [[r if ok else None for r, ok in zip(line, oks, strict=True)] for line, oks in zip(replies, there, strict=True)]
    classes = [await _classes(q, line) for q, line in zip(requests, said, strict=True)]
    ratings = [[0.0 if r is None or rating == "text" else certainty(q, r, rating) for r in line]
               for q, line in zip(requests, said, strict=True)]
    answers = [[r.text if r is not None else None for r in line] for line in said]
    return Shown(answers, np.array(classes, int), np.array(there, bool), np.array(ratings, float))


async def _classes(request: Request, replies: Sequence[Reply | None]) -> list[int]:
    if request.format is None:
        return [-1] * len(replies)
    readings = [None if r is None or not r.text else r.reading if r.reading is not None else request.format.read(r.text)
                for r in replies]
    return [-1 if place is None else place for place in await request.format.group(readings)]


@dataclass(frozen=True, slots=True)
class Guide:
    """Estimates as they are used: an encoder of questions, a judge of answers (None where tokens rate them), the line
    that predicts scores from questions, what evidence adds, and the planner."""

    encoder: Encoder
    judge: Judge | None
    ante: Mapping[str, np.ndarray]
    posts: np.ndarray
    planner: Planner

    @classmethod
    def restored(cls, embedding: str, found: Learned) -> Self:
        """From what `arrays` gave."""
        arrays = found.arrays
        planner = Planner(tuple(map(float, arrays["cost"])), int(found.values["depth"]), arrays["roots"], arrays["points"])
        judge = Judge.restored(embedding, arrays) if "judge.weights" in arrays else None
        ante = {k: arrays[f"ante.{k}"] for k in ("weights", "bias")}
        return cls(reader_again(embedding, arrays), judge, ante, arrays["posts"], planner)

    def arrays(self) -> dict[str, np.ndarray]:
        """To be saved."""
        import numpy as np

        read = self.judge.arrays() if self.judge is not None else reader_arrays(self.encoder)
        return {**read, **{f"ante.{k}": v for k, v in self.ante.items()}, "posts": self.posts, "roots": self.planner.roots,
                "points": self.planner.points, "cost": np.array(self.planner.cost)}

    def before(self, question: str) -> np.ndarray:
        """Expected scores before any answer, [1, members]."""
        return linear(self.ante, self.encoder.encode([question]))

    def quality(self, question: str, state: int, ante: np.ndarray, told: Shown) -> np.ndarray:
        """Expected scores [1, members] of one question once the members of a set have answered."""
        ratings = told.ratings.copy()
        for m, text in enumerate(told.answers[0]):
            if self.judge is not None and told.there[0, m]:
                ratings[0, m] = self.judge.rate(question, text, m)
        found = after(self.posts[state], ante, evidence(ratings, told.classes))
        failed = [m for m in self.planner.lattice.sets[state] if not told.there[0, m]]
        found[:, failed] = FAILED
        return found


async def foresee(embedding: str, depth: int, folds: int, table: Table, told: Shown, rating: Rating) -> tuple[Guide, Rehearsed]:
    """Learn to estimate from dev; and dev questions with estimates that have not seen them."""
    import numpy as np

    parts, members = table.folds(folds), len(table.names)
    depth = min(depth, members)
    encoder = reader(embedding, table.texts, told.answers if rating == "text" else ())
    x, ante = await encode(encoder, table.texts), np.zeros_like(table.scores)
    for here, there in parts:
        ante[there] = linear(fit_ridge(x[here], table.scores[here]), x[there])
    judge, ratings = None, told.ratings
    if rating == "text":
        judge, unseen = Judge.of(encoder, table.texts, list(zip(*told.answers, strict=True)), table.scores, parts)
        ratings = np.where(told.there, unseen.T, 0.0)
    seen = evidence(ratings, told.classes)
    sets = subsets(members, depth)
    quality = _unseen_quality([*sets, tuple(range(members))], ante, seen, table.scores, parts)
    planner = Planner(tuple(planned_cost(table)), depth, _roots(quality), normals(members))
    for k, asked in enumerate(sets):
        lost = ~told.there & np.isin(np.arange(members), asked)
        quality[k][lost] = FAILED
    gains = tuple(planner.gains(k, quality[k]) for k in range(len(sets)))
    lots = np.array([lot(text) for text in table.texts])
    guide = Guide(encoder, judge, fit_ridge(x, table.scores), fit_posts(sets, ante, seen, table.scores), planner)
    return guide, Rehearsed(planner, tuple(quality[:-1]), gains, lots, table)


def _unseen_quality(sets: Sequence[tuple[int, ...]], ante: np.ndarray, seen: np.ndarray, scores: np.ndarray,
                    parts: Folds) -> np.ndarray:
    """Estimates [sets, questions, members] after each set has answered, of each question by the other folds."""
    import numpy as np

    out = np.zeros((len(sets), *scores.shape))
    for here, there in parts:
        for k, posts in enumerate(fit_posts(sets, ante[here], seen[here], scores[here])):
            out[k, there] = after(posts, ante[there], seen[there])
    return out


def _roots(quality: np.ndarray) -> np.ndarray:
    """Of the covariance of what each set's estimates lack against those with all answers seen, the last of them."""
    import numpy as np

    unknown = quality[:-1] - quality[-1]
    if quality.shape[1] < 2:
        return np.zeros((len(unknown), quality.shape[2], quality.shape[2]))
    return np.stack([root(np.atleast_2d(np.cov(part.T))) for part in unknown])


async def walk(guide: Guide, way: tuple[float, float], request: Request, members: Sequence[Member],
               rating: Rating) -> tuple[list[Reply | None], np.ndarray]:
    """Ask members (those planned with) as long as one is worth its cost: their replies, None for whom gave none or was not
    asked, and what the answers are expected to score [members]."""
    import numpy as np

    planner, ante, (price, gamma) = guide.planner, guide.before(request.question), way
    state, dear = 0, np.array([lot(request.question) < gamma])
    got: list[Reply | None] = [None] * len(members)
    while True:
        told = await shown([request], [got], rating)
        quality = guide.quality(request.question, state, ante, told)
        onward = int(planner.onward(state, planner.gains(state, quality), price, dear)[0])
        if onward == state:
            return got, quality[0]
        [m] = set(planner.lattice.sets[onward]) - set(planner.lattice.sets[state])
        with suppress(NoAnswerError):
            got[m] = (await ask_all([members[m]], request)).by_member[0][0]
        state = onward
