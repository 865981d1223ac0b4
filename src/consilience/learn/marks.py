"""Marks by which a model that writes at length says where its final answer begins."""

from __future__ import annotations

import re

from consilience.types import AnswerFormat, Reply

FINAL = "Final answer:"
"""The mark that prompts ask for."""

_MARK = re.compile(r"final (?:answer|solution)\W*?:[\s*_`\"]*", re.IGNORECASE)


def after_mark(text: str) -> str | None:
    """What follows the last mark, however it is spelt and emphasised; None without one, or with nothing after it."""
    marks = list(_MARK.finditer(text))
    rest = text[marks[-1].end():].strip().strip("`\"").strip() if marks else ""
    return rest or None


def concluded(reply: Reply, format: AnswerFormat | None) -> Reply:
    """A conclusion with what follows its last mark as its text; whole where that cannot be read."""
    text = after_mark(reply.text or "")
    own = reply.having(text=text, reading=None, tokens=None).read(format) if text else reply
    return reply if own.unreadable(format) else own
