"""How sure an answer is, and from where on that is sure enough."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Literal

from consilience.errors import TeamError
from consilience.gather import classes
from consilience.method import Dev, Scored
from consilience.types import Reply, Request

Rule = Literal["mean", "min", "agreement"]
"""Mean or least probability of the emitted tokens, or the share of samples that agree."""


async def measure(request: Request, replies: Sequence[Reply], rule: Rule) -> tuple[int, float]:
    """Which of the replies of one member stands for them, and how sure the member is, 0..1."""
    if rule == "agreement":
        return await consensus(request, replies)
    return 0, certainty(request, replies[0], rule)


async def on_dev(dev: Dev, draws: Sequence[Sequence[Scored]], rule: Rule) -> tuple[list[float], list[float]]:
    """Confidence and score of one member per dev question, when it answers with what stands for its draws."""
    sure, scores = [], []
    for i, example in enumerate(dev.examples):
        chosen, level = await measure(example.request, [d[i].reply or Reply(None) for d in draws], rule)
        sure.append(level)
        scores.append(draws[chosen][i].score)
    return sure, scores


def certainty(request: Request, reply: Reply, rule: Literal["mean", "min"]) -> float:
    """Mean or least probability of the emitted tokens; 0 for no tokens and for a text that cannot be read.

    Raises TeamError when the model gave no log-probabilities at all.
    """
    if reply.text and reply.tokens is None:
        raise TeamError(f"{reply.model} gave no token log-probabilities, by which confidence is measured; "
                        "a model that does, or confidence='agreement' or 'ask', would do")
    if not reply.text or not reply.tokens or _unread(request, reply):
        return 0.0
    chances = [exp(token.logprob) for token in reply.tokens]
    return min(chances) if rule == "min" else sum(chances) / len(chances)


def _unread(request: Request, reply: Reply) -> bool:
    return request.format is not None and reply.reading is None and request.format.read(reply.text or "") is None


async def consensus(request: Request, replies: Sequence[Reply]) -> tuple[int, float]:
    """Index of the first reply of the largest class of equal readings, and its share of all; (0, 0) without any.

    A single reply of a team is as sure as the share of the team's own parts that say the same (agreement-based cascading,
    arXiv 2407.02348).
    """
    if len(replies) == 1 and replies[0].parts:
        return 0, await _backing(request, replies[0])
    read = [r if r.reading is not None or not r.text or request.format is None
            else r.having(reading=request.format.read(r.text)) for r in replies]
    groups = await classes(request, read)
    if not groups:
        return 0, 0.0
    most = max(groups, key=lambda g: len(g.replies))
    return next(i for i, r in enumerate(read) if r is most.replies[0]), len(most.replies) / len(replies)


async def _backing(request: Request, reply: Reply) -> float:
    said = next((group.replies for group in await classes(request, [reply, *reply.parts]) if group.replies[0] is reply), ())
    return max(0, len(said) - 1) / len(reply.parts)


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile, linearly interpolated."""
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def best_threshold(sure: Sequence[float], here: Sequence[float], beyond: Sequence[float]) -> float:
    """The confidence from which on answering is worth most, when question i scores `here[i]` if answered and
    `beyond[i]` if passed on; ties to the lowest (fewest passed on). 2 passes everything on; confidence 0 always does."""
    pairs = sorted((p for p in zip(sure, here, beyond, strict=True) if p[0] > 0), key=lambda p: -p[0])
    best, gain, found = 0.0, 0.0, 2.0
    for i, (level, mine, theirs) in enumerate(pairs):
        gain += mine - theirs
        if (i + 1 == len(pairs) or pairs[i + 1][0] < level) and gain >= best - 1e-9:
            best, found = gain, level
    return found


def learn_thresholds(rungs: Sequence[tuple[Sequence[float], Sequence[float]]], last: Sequence[float],
                     q: float | None = None) -> list[float]:
    """One threshold per rung, found from the last to the first: `rungs[r]` holds a rung's confidences and scores per
    question, `last` the scores of the member after all of them. With `q`, the q-quantile of each rung's confidences."""
    beyond, found = list(last), []
    for sure, scores in reversed(rungs):
        cut = best_threshold(sure, scores, beyond) if q is None else quantile(sure, q)
        beyond = [s if 0 < c >= cut else b for s, c, b in zip(scores, sure, beyond, strict=True)]
        found.append(cut)
    return found[::-1]
