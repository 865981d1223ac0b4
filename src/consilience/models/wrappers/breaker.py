"""A model that is down is found out once, and not by every question anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consilience.errors import ModelError


class Breaker:
    """Tells calls at once that a model is down.

    It opens when `after` calls in a row have given up (all their attempts found the model down or too slow), with no
    answer to anybody between. For `rest` seconds calls then fail without an attempt; after that one call at a time may
    try, and an answer closes it. A refusal, a rate limit or an answer that cannot be read is an answer here: who sends
    it is there.
    """

    def __init__(self, after: int = 3, rest: float = 30.0, now: Callable[[], float] = time.monotonic) -> None:
        self.after = after
        self.rest = rest
        self._now = now
        self._given_up = 0
        self._until: float | None = None
        self._last: ModelError | None = None
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether the model is considered down."""
        return self._until is not None

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """One attempt at the model, or a ModelError at once."""
        probe = self._admit()
        try:
            yield
        except ModelError as error:
            if not _down(error):
                self._close()
            elif probe:
                self._rest(error)
            raise
        else:
            self._close()
        finally:
            self._probing = self._probing and not probe

    def give_up(self, error: ModelError) -> None:
        """A call has used up its attempts."""
        if _down(error) and not self.open:
            self._given_up += 1
            if self._given_up >= self.after:
                self._rest(error)

    def _admit(self) -> bool:
        """Whether this attempt is the one that tries again; ModelError when it may not be made."""
        if self._until is None:
            return False
        left = self._until - self._now()
        if left > 0 or self._probing:
            assert self._last is not None
            when = f"in {left:.0f} s" if left > 0 else "now, by another call"
            raise ModelError(f"{self._last} (considered down; it is tried again {when})", reason=self._last.reason)
        self._probing = True
        return True

    def _rest(self, error: ModelError) -> None:
        self._until, self._last = self._now() + self.rest, error

    def _close(self) -> None:
        self._given_up, self._until = 0, None


def _down(error: ModelError) -> bool:
    return error.transient and error.reason in ("down", "timeout")
