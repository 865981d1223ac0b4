"""From ids to text as a row grows: pieces of whole characters, stop strings across token borders, thinking kept apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class Thinking:
    """The marks around a thinking model's reasoning; with `opening=""` every text before `closing` is reasoning."""

    opening: str = "<think>"
    closing: str = "</think>"

    def split(self, raw: str, opened: bool) -> tuple[str, str]:
        """(reasoning, answer) of what was emitted; `opened` says that the prompt ended with the opening mark.

        Reasoning that was never closed leaves an empty answer.
        """
        lead = raw.lstrip()
        if not opened:
            if self.opening and self.opening.startswith(lead):
                return raw, ""
            if not lead.startswith(self.opening):
                return "", raw
            raw = lead[len(self.opening):]
        reasoning, mark, answer = raw.partition(self.closing)
        return reasoning.strip(), answer.lstrip() if mark else ""


def first_stop(text: str, stops: Sequence[str]) -> int:
    """Where the earliest stop string begins, or -1."""
    return min((at for stop in stops if (at := text.find(stop)) >= 0), default=-1)


def held_back(text: str, stops: Sequence[str]) -> int:
    """Length of the longest end of `text` that may be the beginning of a stop string."""
    return max((n for stop in stops for n in range(1, min(len(stop), len(text) + 1)) if text.endswith(stop[:n])),
               default=0)


class Watcher:
    """Follows one row: call it with the ids so far after every token; True means that a stop string has appeared.

    `lead` are ids before the first one that its text depends on (a space that only the middle of a text has).
    """

    def __init__(self, decode: Decode, split: Callable[[str], tuple[str, str]], stops: Sequence[str],
                 emit: Callable[[str], None] | None = None, lead: Sequence[int] = ()) -> None:
        self._decode, self._split, self._stops, self._emit = decode, split, tuple(stops), emit
        self._lead = list(lead)
        self._raw = ""
        self._sent = ""
        self._from, self._to = 0, len(self._lead)

    def __call__(self, ids: Sequence[int]) -> bool:
        ids = [*self._lead, *ids]
        old = self._decode(ids[self._from:self._to]) if self._to else ""
        new = self._decode(ids[self._from:])
        if len(new) <= len(old) or new.endswith("\ufffd"):
            return False
        self._raw += new[len(old):]
        self._from, self._to = self._to, len(ids)
        answer = self._split(self._raw)[1]
        at = first_stop(answer, self._stops)
        if at < 0:
            self._send(answer[:len(answer) - held_back(answer, self._stops)])
        return at >= 0

    @property
    def emits(self) -> bool:
        """Whether somebody listens to the pieces."""
        return self._emit is not None

    def _send(self, text: str) -> None:
        if self._emit is not None and len(text) > len(self._sent):
            self._emit(text[len(self._sent):])
            self._sent = text

    def close(self, answer: str) -> str:
        """Emit what is left of the finished answer; returns the text that was emitted in all."""
        if answer.startswith(self._sent):
            self._send(answer)
        return self._sent
