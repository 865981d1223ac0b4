"""Small dev splits for tests."""

from __future__ import annotations

from consilience.reading import Choice
from consilience.tasks.task import Split
from consilience.types import Example, Request, Sampling


def split(pairs: list[tuple[str, str]], options: int = 4, max_tokens: int = 512) -> Split:
    """Questions with their right letters."""
    return Split("dev", tuple(
        Example(f"q{i:03}", Request.of(question, form="answer", format=Choice(options),
                                        sampling=Sampling(max_tokens=max_tokens)), (letter,), task="letters")
        for i, (question, letter) in enumerate(pairs)))
