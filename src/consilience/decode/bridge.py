"""One text in several vocabularies. The text, as bytes, is the common ground.

Whoever writes a token keeps its own ids; everybody else encodes prompt and text as one when it is next asked, so that its
ids are those of a fresh encoding, and goes back to the last id that still holds. Bytes that are not a whole character yet
are held back: until the character is complete only its author can go on.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence

from consilience.decode.vocabulary import Vocabulary

Reader = Callable[[str], Sequence[int]]
"""Ids of a prompt and the text after it, encoded as one."""


class Bridge:
    """The new text of one row, as its members read it."""

    def __init__(self, prompts: Sequence[Sequence[int]], readers: Sequence[Reader], vocabularies: Sequence[Vocabulary]) -> None:
        self.readers, self.vocabularies = readers, vocabularies
        self.said = b""
        self.pieces: list[bytes] = []
        """The text token by token."""
        self.ids = [list(prompt) for prompt in prompts]
        """Prompt and text in each member's ids, up to `_upto` bytes of the text."""
        self._upto = [0] * len(prompts)
        self._valid: list[int | None] = [None] * len(prompts)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""

    @property
    def whole(self) -> bool:
        """Whether the text ends between characters (bytes that can become none are read as U+FFFD)."""
        return not self._decoder.getstate()[0]

    def readable(self, member: int) -> bool:
        """Whether the member can be asked about the text as it stands."""
        return self._upto[member] == len(self.said) or self.whole

    def refresh(self, member: int) -> int:
        """Bring the member's ids up to date; how many there are."""
        if self._upto[member] != len(self.said):
            old, new = self.ids[member], list(self.readers[member](self._text))
            same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
            valid = self._valid[member]
            self._valid[member] = same if valid is None else min(same, valid)
            self.ids[member], self._upto[member] = new, len(self.said)
        return len(self.ids[member])

    def keep(self, member: int, held: int) -> int:
        """How many of the first `held` ids that were fed to the member still hold."""
        self.refresh(member)
        valid, self._valid[member] = self._valid[member], None
        return held if valid is None else min(held, valid)

    def write(self, member: int, token: int) -> None:
        """The member, which was asked about the text as it stands, goes on with a token of its own."""
        if self._upto[member] != len(self.said):
            raise ValueError(f"member {member} has read {self._upto[member]} of {len(self.said)} bytes and cannot write")
        self._say(self.vocabularies[member].pieces[token])
        self.ids[member].append(token)
        self._upto[member] = len(self.said)

    def write_piece(self, piece: bytes) -> None:
        """A piece of nobody's in particular. Within a character, those who have that very piece take it as a token."""
        at = len(self.said)
        self._say(piece)
        if self.whole:
            return
        for member, vocabulary in enumerate(self.vocabularies):
            if self._upto[member] == at and piece in vocabulary.ids:
                self.ids[member].append(vocabulary.ids[piece])
                self._upto[member] = len(self.said)

    def _say(self, piece: bytes) -> None:
        self.said += piece
        self.pieces.append(piece)
        self._text += self._decoder.decode(piece)
