"""Solo performance prompting: one model names personas, lets them confer, and gives their final answer. Wang et al. 2024."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from consilience.gather import Members, ask_ranked
from consilience.learn.marks import FINAL, after_mark, concluded
from consilience.method import Level, Method
from consilience.prompt import worded
from consilience.registry import register
from consilience.types import Reply, Request, Wording

PERFORM = Wording(
    "When faced with a task, first name the participants who will contribute to solving it, the leader being AI Assistant. "
    "Then begin a conversation of several turns between them until a final solution is reached: the participants give critical "
    "comments and detailed suggestions, and the leader writes and revises the solution until all approve.\n\n"
    "Example task: Use the numbers 6, 12, 1 and 1 with basic operations to obtain 24.\n"
    "Participants: AI Assistant (you); Math Expert\n"
    "AI Assistant: 12 * (1 + 1) * 6 is too large. How about 6 - (1 - 1) * 12?\n"
    "Math Expert: That is 6. Try to reach 24 as 12 + 12, where 12 = 6 * (1 + 1).\n"
    "AI Assistant: Then 6 * (1 + 1) + 12 uses 6, 1, 1 and 12.\n"
    "Math Expert: 12 + 12 is 24. I approve.\n"
    f"{FINAL} 6 * (1 + 1) + 12\n\n"
    "Example task: Write one line for a card to a gardener who turns seventy.\n"
    "Participants: AI Assistant (you); Gardener; Poet\n"
    "AI Assistant: Many happy returns to a keeper of gardens!\n"
    "Gardener: Name something that grows slowly.\n"
    "Poet: And let the line have rhythm.\n"
    "AI Assistant: Seventy summers, and still the pear tree thanks you.\n"
    "Gardener: I approve.\nPoet: So do I.\n"
    f"{FINAL} Seventy summers, and still the pear tree thanks you.\n\n"
    f"Now the task: {{question}}\n\n{{instruction}} Write it after \"{FINAL}\".")


@register
@dataclass(frozen=True)
class SoloPerformance(Method):
    """The best member on dev plays several personas in one reply: it names them, lets them criticise each other, and ends
    with a marked final answer.

    One call, three to six times as long as a plain answer; published gains need models of the GPT-4 class. What follows the
    last mark is the answer. When the member fails, the next answers. Deviations: without a mark that an answer follows the
    whole text is read, a reply that was cut off is not continued, and all personas are one model.
    """

    level: ClassVar = Level.TEXT
    paper: ClassVar = "Solo Performance Prompting, arXiv 2307.05300"
    cost: ClassVar = "1"

    async def run(self, request: Request, members: Members) -> Reply:
        """One call in which the model plays its personas; the note says which, and whether the answer was marked as such."""
        reply = await ask_ranked(members.ranking, worded(request, PERFORM, request.format))
        text = reply.text or ""
        return concluded(reply, request.format).noting(personas=participants(text), marked=after_mark(text) is not None)


def participants(text: str) -> list[str]:
    """Names of the personas, from the last list of participants."""
    lists = re.findall(r"^[^\w\n]*+participants[^\w\n:]*+:(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return [name for part in lists[-1].split(";") if (name := re.sub(r"\([^()]*\)", "", part).strip(" .*"))] if lists else []
