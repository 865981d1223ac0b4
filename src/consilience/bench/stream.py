"""Questions asked one after the other: a contestant with a memory, the order that is part of its result, and how it goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from consilience.model import Model
from consilience.saved import memories, recall, write_memory
from consilience.store import Store
from consilience.types import Example, digest

MEMORY = "memory"
"""Folder of the memories that a benchmark leaves: `memory/TASK/METHOD.json`."""
BOOK = "memories"
"""The store's records: for a contestant and an order of questions, how many are behind and the memory after them."""


def in_order(contents: Mapping[str, str]) -> dict[str, str]:
    """Of each question a digest of itself and all before it, given the digest of each."""
    found, so_far = {}, ""
    for id_, content in contents.items():
        so_far = found[id_] = digest([so_far, content])
    return found


class Stream:
    """The memories in a contestant (named by `identity`) while it goes through the questions of a task in order; `orders` are
    what `in_order` gave.

    A question's row is written first, then the memory after it. So after a crash the memory is as old as the rows or one
    question older, and that question is answered again from draws that are kept.
    """

    def __init__(self, model: Model, store: Store, examples: Sequence[Example], orders: Mapping[str, str],
                 identity: str) -> None:
        self.model, self.store, self.examples, self.orders, self.known = model, store, examples, orders, False
        self.places = {example.id: i for i, example in enumerate(examples)}
        self.order = orders[examples[-1].id]
        self.key = f"{identity}{self.order}"

    def resume(self, todo: Sequence[Example]) -> list[Example]:
        """The questions to ask, the last one first, given those without a row; the memory is set to what it was before them.
        Where that is not kept, the stream begins anew."""
        behind = min((self.places[example.id] for example in todo), default=len(self.examples))
        kept = self.store.get(BOOK, self.key)
        self.known = kept is not None or bool(todo)
        if not self.known:
            return []
        start = kept["behind"] if kept is not None and kept["behind"] <= behind else 0
        recall(self.model, kept["teams"] if kept is not None and start else {})
        return list(reversed(self.examples[start:]))

    async def keep(self, example: Example) -> None:
        """The row of this question is written: keep the memory after it."""
        await self.store.put(BOOK, self.key, {"behind": self.places[example.id] + 1, "teams": memories(self.model)})

    def show(self, folder: Path, method: str, task: str) -> None:
        """Write the memory into a results folder; in the store, another benchmark may be at another question."""
        if self.known:
            name, of = (re.sub(r"[^\w.-]+", "-", text) for text in (method, task))
            write_memory(memories(self.model), folder / MEMORY / of / f"{name}.json")
