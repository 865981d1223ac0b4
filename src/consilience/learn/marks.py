"""Marks by which a model that writes at length says where its final answer begins."""

from __future__ import annotations

import re

FINAL = "Final answer:"
"""The mark that prompts ask for."""

_MARK = re.compile(r"final (?:answer|solution)\W*?:[\s*_`\"]*", re.IGNORECASE)


def after_mark(text: str) -> str | None:
    """What follows the last mark, however it is spelt and emphasised; None without one, or with nothing after it."""
    marks = list(_MARK.finditer(text))
    rest = text[marks[-1].end():].strip().strip("`\"").strip() if marks else ""
    return rest or None
