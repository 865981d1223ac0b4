"""The nursery's short wordings of the named prompt forms, and how the training data renders them.

A list field is rendered item by item with the form's `item`; `{letter}` and `{number}` count its items.
"""

from __future__ import annotations

from collections.abc import Sequence

WORDINGS: dict[str, dict[str, str]] = {
    "answer": {"text": "{question}"},
    "steps": {"text": "steps: {question}"},
    "choose": {"text": "choose: {question}{options}", "item": "\n{letter}) {text}"},
    "judge": {"text": "judge: {question}\nA) {a}\nB) {b}"},
    "critique": {"text": "critique: {question}\n1. {answer}"},
    "refine": {"text": "refine: {question}\n0. {answer}{peers}", "item": "\n{number}. {text}"},
    "fuse": {"text": "fuse: {question}{candidates}", "item": "\n{number}. {text}"},
    "route": {"text": "route: {question}{members}", "item": "\n{letter}) {text}"},
    "check": {"text": "check: {question}\n1. {answer}"},
}


def render(form: str, **fields: str | Sequence[str]) -> str:
    """The prompt of a form with its fields filled in."""
    wording = WORDINGS[form]
    flat = {name: value if isinstance(value, str) else _items(wording["item"], value) for name, value in fields.items()}
    return wording["text"].format(**flat)


def _items(item: str, texts: Sequence[str]) -> str:
    return "".join(
        item.format(letter="ABCDEFGHIJ"[place], number=place + 1, text=text) for place, text in enumerate(texts)
    )
