"""What models write when they direct others: actions in tags, of which their thinking holds none, and lists of sub-tasks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

STOPS = ("</search>", "</answer>")
"""What ends a turn."""

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_ACTION = re.compile(r"<(search|answer)>(.*?)(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?(?:information|search|answer|think)>", re.IGNORECASE)
_LINE = re.compile(r"^[ \t]*(?:\d+[ \t]*[.):]|[-*])[ \t]*(\S.*)$", re.MULTILINE)
_MENTION = re.compile(r"(?:step|sub-?task|result|#)\s*(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Action:
    """What a turn comes to: a call (`search`) or the answer, and the text in its tag; `turn` is the turn up to there."""

    kind: Literal["search", "answer"]
    text: str
    turn: str


def action(turn: str) -> Action | None:
    """The first action of a turn, its closing tag there or not; None without one, or for an empty answer.

    What stands in thinking, closed or not, is no action.
    """
    spoken = _THOUGHT.sub(lambda thought: " " * len(thought[0]), turn)
    found = _ACTION.search(spoken)
    if found is None:
        return None
    kind: Literal["search", "answer"] = "search" if found[1].lower() == "search" else "answer"
    text = found[2].strip()
    whole = turn[:found.end(2)] + f"</{kind}>"
    return Action(kind, text, whole) if text or kind == "search" else None


def addressee(call: str, names: Sequence[str]) -> tuple[int | None, str]:
    """Place of the member that `name: question` means, None for an unknown one, and the question. Names may hold colons,
    and be misspelt a little."""
    known = {name.lower(): i for i, name in reversed(list(enumerate(names)))}
    exact = max((name for name in known if call.lower().startswith(f"{name}:")), key=len, default=None)
    if exact is not None:
        return known[exact], call[len(exact) + 1:].strip()
    name, _, question = call.partition(":")
    close = difflib.get_close_matches(name.strip().lower(), known, n=1, cutoff=0.6)
    return (known[close[0]] if close else None), question.strip()


def quoted(text: str) -> str:
    """A reply as information: tags of the protocol inside it are taken out."""
    return f"<information>{_TAG.sub('', text).strip()}</information>"


def subtasks(text: str, most: int) -> list[str]:
    """The items of a numbered or dashed list, those beyond `most` joined to one. None for fewer than two, and for a list in
    which an item speaks of the result of a later one or its own."""
    tasks = [line.strip() for line in _LINE.findall(text)]
    forward = any(int(n) > i for i, task in enumerate(tasks) for n in _MENTION.findall(task))
    if len(tasks) > most:
        tasks = [*tasks[:most - 1], " ".join(tasks[most - 1:])]
    return [] if len(tasks) < 2 or forward else tasks
