"""What a running benchmark tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of one run (a method or control on a task), sent whenever it changes.

    `stage` is `fit`, `run`, `done` or `left out`. `rate` is questions per second of wall clock over this invocation, `left` the
    seconds that remain at that rate (None before the first answer). `cost` is the recorded cost in US dollars, None
    where a price is unknown.
    """

    method: str
    task: str
    stage: str
    done: int
    total: int
    tokens: int = 0
    cost: float | None = 0.0
    unanswered: int = 0
    rate: float = 0.0
    left: float | None = None


Watch = Callable[[Progress], None]
"""Receives progress; it must return at once."""
