"""Replies that are right by construction, in usual phrasings, and replies that are never right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from consilience.reading import Choice
from consilience.tasks import Task, task
from consilience.types import Example

_THOUGHT = "<think>Maybe a. or b. here? The answer is (B)? No, let me see: 12 or 13.</think>\n\n"
_WORK = "Let us go through it step by step.\nFirst, 2 things stand out about data.\n"

LETTERS: Mapping[str, Callable[[str, str], str]] = {
    "C": lambda c, text: c,
    "**C**": lambda c, text: f"**{c}**",
    "\\boxed{C}": lambda c, text: f"\\boxed{{{c}}}",
    "(C)": lambda c, text: f"({c})",
    "C.": lambda c, text: f"{c}.",
    "Answer: C": lambda c, text: f"Answer: {c}",
    "**Answer:** C": lambda c, text: f"**Answer:** {c}",
    "The answer is C.": lambda c, text: f"The answer is {c}.",
    "The answer is C, which completes the solution.": lambda c, text: f"The answer is {c}, which completes the solution.",
    "<think>...</think>C": lambda c, text: f"{_THOUGHT}{c}",
    "C) text": lambda c, text: f"{c}) {text}",
    "The correct answer is C) text.": lambda c, text: f"The correct answer is {c}) {text}.",
    "C, because ...": lambda c, text: f"{c}, because nothing else fits the data.",
    "C\\nBecause ...": lambda c, text: f"{c}\nBecause nothing else fits the data.",
    "... So the answer is (C).": lambda c, text: f"{_WORK}So the answer is ({c}).",
    "... Final answer: **C**": lambda c, text: f"{_WORK}\nFinal answer: **{c}**",
    '{"answer": "C"}': lambda c, text: json.dumps({"reasoning": "it fits", "answer": c}),
}
"""Phrasings of a letter and its option's text."""

VALUES: Mapping[str, Callable[[str], str]] = {
    "gold": lambda gold: gold,
    "**gold**": lambda gold: f"**{gold}**",
    "\\boxed{gold}": lambda gold: f"\\boxed{{{gold}}}",
    "Answer: gold": lambda gold: f"Answer: {gold}",
    "**Answer:** gold": lambda gold: f"**Answer:** {gold}",
    "The answer is gold.": lambda gold: f"The answer is {gold}.",
    "The answer is gold, which completes the solution.": lambda gold: f"The answer is {gold}, which completes the solution.",
    "<think>...</think>gold": lambda gold: f"{_THOUGHT}{gold}",
    "gold, because ...": lambda gold: f"{gold}, because nothing else fits the data.",
    "... So the answer is gold.": lambda gold: f"{_WORK}So the answer is {gold}.",
    "... Final answer: **gold**": lambda gold: f"{_WORK}\nFinal answer: **{gold}**",
    "... Final Answer: \\boxed{gold}": lambda gold: f"{_WORK}\n**Final Answer**\n\n\\boxed{{{gold}}}",
    "#### gold": lambda gold: f"{_WORK}#### {gold}",
    '{"answer": "gold"}': lambda gold: json.dumps({"reasoning": "it fits", "answer": gold}),
}
"""Phrasings of any other reference."""

REFUSAL = "I cannot help with that."


def right(example: Example) -> Iterator[tuple[str, str]]:
    """Pairs of a phrasing and a right reply to the example."""
    format = example.request.format
    if isinstance(format, Choice):
        letter = format.refer(example.references[0])
        assert letter is not None, example.id
        text = format.texts[ord(letter) - 65]
        yield from ((name, phrase(letter, text)) for name, phrase in LETTERS.items())
    else:
        yield from ((name, phrase(example.references[0])) for name, phrase in VALUES.items())


def wrong(example: Example) -> Iterator[tuple[str, str]]:
    """Pairs of a kind and a reply that must score 0."""
    yield "empty", ""
    yield "the question", example.question
    yield "refusal", REFUSAL
    format = example.request.format
    if isinstance(format, Choice):
        yield "all options", "\n".join(f"{chr(65 + i)}. {text}" for i, text in enumerate(format.texts))
        yield "all letters", ", ".join(chr(65 + i) for i in range(format.n))


def tasks(folder: Path) -> Iterator[Task]:
    """The tasks of a folder whose answers are scored here."""
    for path in sorted(folder.glob("*.json.gz")):
        loaded = task(path)
        if not loaded.refusal:
            yield loaded
