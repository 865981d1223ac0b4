"""The family of errors: one class for each thing that a caller would do differently.

Every message says what was asked, what was found and what would do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class ConsilienceError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(ConsilienceError):
    """A file, option or name is wrong. Nothing has been asked of any model yet."""


class TaskError(ConfigError):
    """A task cannot be loaded, or cannot be scored here."""


class TargetError(ConfigError):
    """No setting of a method meets the target that was stated for it; the message names the nearest."""


class TeamError(ConsilienceError):
    """The members cannot play the parts that the method needs. Raised when the team is bound, before any call."""


class MissingExtraError(ConfigError):
    """A part that needs an optional dependency was used without it; the message names the extra."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the extra [{extra}]: pip install 'consilience[{extra}]'")
        self.extra = extra


class SandboxError(ConfigError):
    """Nothing here can isolate a program, so none is run; the message says how to enable it."""


class StoreError(ConsilienceError):
    """The store cannot be read or written (corrupt file, full disk, version)."""


class ModelError(ConsilienceError):
    """One member failed to answer; methods treat it as absent.

    `reason` is a short word for tables: `down`, `timeout`, `rate-limit`, `refused`, `budget`, `context`, `error`.
    """

    def __init__(self, message: str, *, reason: str = "error", retry_after: float | None = None,
                 transient: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after
        self.transient = transient


class BudgetError(ModelError):
    """The budget cannot pay for this call."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="budget")


class NoAnswerError(ConsilienceError):
    """No member produced any text for this question. `reason` is `budget` where money was lacking."""

    def __init__(self, message: str, *, reason: str = "no-answer") -> None:
        super().__init__(message)
        self.reason = reason


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint such as ` Did you mean 'majority-vote'?`, or the list of what is known. Names of which `word` is a part
    (`debate`) or the initials (`moa`) come before those that look alike."""
    names = sorted(known)
    parts = {name: re.split(r"[\W_]+", name.lower()) for name in names}
    close = [name for name in names if word.lower() in (*parts[name], "".join(part[:1] for part in parts[name]))]
    close = close or difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f" Did you mean {' or '.join(map(repr, close[:3]))}?"
    return f" Known: {', '.join(names)}." if names else ""
