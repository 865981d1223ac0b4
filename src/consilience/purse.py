"""What a run may still spend: its ledger, shared out over the calls that are to come, the same way each time.

A run that is on a budget has a purse. A wave of asks gets its part of the money: calls asked now of calls to come, by the
method's cost formula. It is split over the asks by what their answers may cost, and where it does not pay for all of them,
the best members are asked. Every ask pays from a ledger of its own, so who answers first decides nothing, and gives
back what it leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from consilience.errors import BudgetError
from consilience.types import Ledger, Quote, Request, Reservation, Scope

DUST = 1e-12
"""Dollars below which sums differ by rounding alone."""


MINIMUM = 16
"""Tokens below which an answer is not worth asking for."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Dollars that an ask needs, for the shortest answer worth asking for and for the longest wanted."""

    least: float
    most: float

    @classmethod
    def of(cls, quote: Quote | None, request: Request, n: int) -> Ask:
        """`n` draws of a request at this quote; without one, nothing."""
        if quote is None:
            return cls(0.0, 0.0)
        n, wanted = 1 if request.sampling.greedy else n, request.sampling.max_tokens
        return cls(n * (quote.fixed + quote.each * min(MINIMUM, wanted)), n * (quote.fixed + quote.each * wanted))


@dataclass(slots=True)
class Purse:
    """The ledger of a run, and the most calls that its method may still make."""

    ledger: Ledger
    to_come: float

    def shares(self, asks: Sequence[Ask], calls: int) -> list[Ledger]:
        """A ledger for each ask of a wave of `calls` calls; close them afterwards.

        Every ask has what it needs at least, earlier ones first as long as the money lasts; what remains is shared out
        by what they could still use.
        """
        fund = self.ledger.left * calls / max(calls, self.to_come)
        self.to_come -= calls
        able = []
        for ask in asks:
            able.append(ask.least <= fund + DUST)
            fund = max(0.0, fund - ask.least) if able[-1] else fund
        room = sum(ask.most - ask.least for ask, can in zip(asks, able, strict=True) if can)
        more = fund / room if room > 0 else 0.0
        return [self.ledger.split(min(ask.least + more * (ask.most - ask.least), self.ledger.left) if can else 0.0)
                for ask, can in zip(asks, able, strict=True)]

    def chains(self, n: int) -> list[Purse]:
        """Equal purses for chains of asks that run at once; close their ledgers afterwards."""
        return [Purse(share, self.to_come / n) for share in _evenly(self.ledger, n)]


purse: ContextVar[Purse | None] = ContextVar("purse", default=None)
"""The purse of the run (or of the chain of asks) that this task works for; None without a budget."""


@contextmanager
def evenly(scope: Scope, n: int) -> Iterator[list[Scope]]:
    """`n` scopes for calls at the same time, each with an equal part of the money."""
    if scope.ledger is None:
        yield [scope] * n
        return
    shares = _evenly(scope.ledger, n)
    with closing_all(shares):
        yield [replace(scope, ledger=share) for share in shares]


@contextmanager
def closing_all(ledgers: Sequence[Ledger]) -> Iterator[None]:
    """Hand back what these ledgers leave, in their order, so that sums are the same whoever finished first."""
    try:
        yield
    finally:
        for ledger in ledgers:
            ledger.close()


def _evenly(ledger: Ledger, n: int) -> list[Ledger]:
    return [ledger.split(ledger.left / (n - i)) for i in range(n)]


def unpriced(who: str) -> BudgetError:
    """The error of a model that cannot be paid because nobody knows what it costs."""
    return BudgetError(f"the price of {who} is unknown, so a budget cannot pay for it; give it one: "
                       "price: [dollars per million prompt tokens, per million completion tokens]")


def afford(ledger: Ledger, quote: Quote, request: Request, n: int, who: str,
           minimum: int = MINIMUM) -> tuple[Request, Reservation]:
    """The request, cut to the tokens that can be paid, and the money set aside for `n` draws of it.

    BudgetError when fewer than `minimum` tokens can be paid (or fewer than are wanted).
    """
    n = 1 if request.sampling.greedy else n
    fixed, each, left, wanted = n * quote.fixed, n * quote.each, ledger.left, request.sampling.max_tokens
    payable = wanted if each == 0 else min(wanted, math.floor(round((left - fixed) / each, 6)))
    least = min(minimum, wanted)
    if payable < least or fixed > left + DUST:
        answer = f"the prompt takes about ${fixed:.6f} and {least} tokens ${least * each:.6f}" if each else f"it costs ${fixed:.6f}"
        raise BudgetError(f"{who}: ${left:.6f} are left; {answer}")
    if payable < wanted:
        request = request.sampled(max_tokens=payable)
    return request, ledger.reserve(min(left, fixed + payable * each))
