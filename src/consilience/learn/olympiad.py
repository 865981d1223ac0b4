"""What an olympiad team shares: roles, the best attempts so far with their scores, and problems solved before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Members, optional
from consilience.learn.memory import STRICT, Solved, alike
from consilience.prompt import clip, worded
from consilience.reading import Free
from consilience.types import Reply, Request, Wording

RECALL = Wording("Question:\n{question}\n\nRecall a different problem like this one that you know how to solve. Write it down with "
                 "its solution. Do not answer the question.")
_LINE = re.compile(r"^[ \t]*(?:\d+[ \t]*[.):]|[-*])[ \t]*\**([^\n:*]{2,60})", re.MULTILINE)


@dataclass(frozen=True)
class Episodes:
    """Problems of the past with the best answers that were found, oldest first; one entry for each problem."""

    __pydantic_config__: ClassVar = STRICT

    solved: tuple[Solved, ...] = ()

    def others(self, question: str) -> list[Solved]:
        """All but a problem itself."""
        return [one for one in self.solved if one.question != clip(question)]


@dataclass(frozen=True)
class Attempt:
    """An agent's answer, and whether a judge holds it to be right."""

    agent: int
    reply: Reply
    right: bool

    def __str__(self) -> str:
        return f"(agent {self.agent + 1}, {'held to be right' if self.right else 'not held to be right'})\n{self.reply.text}"


def roles(text: str, most: int) -> list[str]:
    """The first roles of a list; where it has fewer, agents without one (empty)."""
    named = list(dict.fromkeys(name.strip() for name in _LINE.findall(text)))[:most]
    return named + [""] * (most - len(named))


def top(attempts: Sequence[Attempt], most: int) -> list[Attempt]:
    """The best attempts, best first: those that can be read before others, then those held to be right; ties keep the older."""
    return sorted(attempts, key=lambda one: (one.reply.reading is None, not one.right))[:most]


async def episodes_for(request: Request, members: Members, memory: Episodes, most: int, recall: bool) -> list[str]:
    """Similar problems solved before; where there are none, with `recall` one that the planner recalls."""
    known = memory.others(request.question)
    near = await alike(members, request.question, [one.question for one in known], most)
    if near:
        return [str(known[i]) for i in near]
    said = await optional(members.role("planner"), worded(request, RECALL, Free())) if recall else None
    return [said.text] if said is not None and said.text else []
