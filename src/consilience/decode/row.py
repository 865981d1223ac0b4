"""One text to be decoded: what is asked, then what came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from consilience.decode.bridge import Bridge
from consilience.errors import ModelError
from consilience.types import Sampling

NOT_FINITE = "its logits were not finite numbers"
"""Why a member leaves a row."""
Mark = tuple[float, tuple[tuple[int, float], ...]]
"""Log-probability of a token and its likeliest alternatives."""


@dataclass(slots=True, eq=False)
class Row:
    """One text to be decoded: what is asked, then what came."""

    prompts: tuple[tuple[int, ...], ...]
    """Prompt ids, one tuple per member."""
    sampling: Sampling
    noise: int
    stop_ids: frozenset[int]
    limit: int
    """Most new tokens."""
    done: Callable[[Row], None]
    """Called once, from the engine's thread, when the row has left."""
    watch: Callable[[Sequence[int]], bool] | None = None
    logprobs: int | None = None
    """None: none wanted; k: with the k likeliest alternatives."""
    cancelled: bool = False
    state: tuple[float, ...] = ()
    """A policy's numbers of this row."""
    bridge: Bridge | None = None
    """Where members have different vocabularies: the text as each reads it. Then `ids` are the bytes of the text."""

    ids: list[int] = field(default_factory=list)
    """New tokens, without the one that ended the row."""
    draft: list[int] = field(default_factory=list)
    """Tokens after `ids` that are not settled yet."""
    emitted: int = 0
    """New tokens, the ending one included."""
    marks: list[Mark] = field(default_factory=list)
    """Log-probability (of the combined distribution at temperature 1) and alternatives of each of `ids`."""
    authors: list[int] = field(default_factory=list)
    """Who wrote each new token, the ending one included; -1: everybody. Empty where nobody decides that."""
    asked: list[int] = field(default_factory=list)
    """Per member: forwards that this row took part in."""
    read: list[int] = field(default_factory=list)
    """Per member: tokens of this row that were pushed."""
    gone: dict[int, str] = field(default_factory=dict)
    """Members that have left this row, and why."""
    ahead: int = 0
    """How far it is drafted at a time, where that changes."""
    proposal: tuple[int, Any] | None = None
    """Who drafts next, and its logits of the next token, which are known already."""
    drafted: int = 0
    """Tokens drafted."""
    kept: int = 0
    """Drafted tokens that stayed."""
    reason: str = ""
    """`stop`, `length`, `cancelled` or `error`."""
    error: ModelError | None = None
    seconds: float = 0.0
    """Its share of the time of the steps that it took part in."""

    def __post_init__(self) -> None:
        self.asked = [0] * len(self.prompts)
        self.read = [0] * len(self.prompts)

    def pending(self, member: int, held: int) -> list[int]:
        """Ids of this row behind the first `held`, as `member` reads it."""
        if self.bridge is not None:
            return self.bridge.ids[member][held:]
        prompt = self.prompts[member]
        if held < len(prompt):
            return [*prompt[held:], *self.ids, *self.draft]
        if self.draft:
            return [*self.ids, *self.draft][held - len(prompt):]
        return self.ids[held - len(prompt):]

    def settled(self, member: int) -> int:
        """Length of the row for `member` without its draft."""
        if self.bridge is not None:
            return self.bridge.refresh(member)
        return len(self.prompts[member]) + len(self.ids)

    def take(self, token: int, mark: Mark | None = None) -> str:
        """Append a token; the reason why the row is over, or an empty string."""
        return self._grown([token], token in self.stop_ids, mark)

    def take_piece(self, piece: bytes, ends: bool, mark: Mark | None = None) -> str:
        """The same for a piece of text that the bridge holds already."""
        return self._grown(piece, ends, mark)

    def _grown(self, ids: Iterable[int], ends: bool, mark: Mark | None) -> str:
        self.emitted += 1
        if ends:
            return "stop"
        self.ids.extend(ids)
        if mark is not None:
            self.marks.append(mark)
        if self.watch is not None and self.watch(self.ids):
            return "stop"
        if self.cancelled:
            return "cancelled"
        return "length" if self.emitted >= self.limit else ""
