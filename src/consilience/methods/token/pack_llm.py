"""PackLLM: members that find the question less surprising weigh more when its answer is decoded. Mavromatis et al. 2024."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from consilience.errors import ModelError, NoAnswerError
from consilience.gather import Member, Members, absence, together, write_together
from consilience.learn.mixing import Mixed, softmax
from consilience.method import Level, Method
from consilience.model import NextTokens, Score
from consilience.registry import register
from consilience.types import Reply, Request

SHRINK = 8.0
"""Tokens that count for equal weights, since a short question's perplexity is noisy."""


@register
@dataclass(frozen=True)
class PackLlm(Method):
    """Average the members' logits, weighted by softmax(-log perplexity of the question / tau); nothing is trained.

    For members of unlike domains that were trained on texts like the questions: a model that never learned to predict
    questions (only answers) has nothing to say here. Weights of a question of n tokens are shrunk towards equal ones as by
    eight more. A member whose perplexity cannot be had weighs as the mean. Deviations: the simple variant (the greedy search of
    weights is left out); the question is scored as text that follows an empty turn.
    """

    level: ClassVar = Level.TOKEN
    paper: ClassVar = "Pack of LLMs, arXiv 2404.11531"
    cost: ClassVar = "2*N"
    needs: ClassVar = (NextTokens, Score)

    tau: float = 1.0
    """Temperature of the weights: 0 takes the least surprised member alone."""

    async def run(self, request: Request, members: Members) -> Reply:
        """Score the question under every member, weigh them, and decode with these weights, which the note names."""
        seen = await together(*(surprise(member, request) for member in members))
        weights = weigh(seen, self.tau)
        reply = await write_together(members, request, Mixed("logits"), members.ranking, state=weights)
        return reply.noting(weights={m.name: round(w, 6) for m, w in zip(members, weights, strict=True)})


async def surprise(member: Member, request: Request) -> tuple[float, int]:
    """Mean negative log-probability of the question's tokens, and how many they are; (0, 0) where it cannot be had."""
    try:
        tokens = await member.score(Request.of(""), request.question) if request.question else []
    except (ModelError, NoAnswerError) as error:
        member.run.absent.append(absence(member, error))
        tokens = []
    return (-sum(t.logprob for t in tokens) / len(tokens) if tokens else 0.0), len(tokens)


def weigh(seen: Sequence[tuple[float, int]], tau: float) -> list[float]:
    """softmax(-surprise / tau) of (surprise, tokens), shrunk towards equal weights by `SHRINK` tokens; a member without tokens
    is taken to be as surprised as the others on average."""
    known, n = [s for s, tokens in seen if tokens], max(tokens for _, tokens in seen)
    mean = sum(known) / max(1, len(known))
    weights = softmax([-s if tokens else -mean for s, tokens in seen], tau)
    return [(n * w + SHRINK / len(seen)) / (n + SHRINK) for w in weights]
