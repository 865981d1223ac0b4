"""A model that spends from a ledger: reserve before a call, settle after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Self

from consilience.errors import BudgetError
from consilience.model import Model, P, Quotes, streaming
from consilience.models.wrappers.base import Wrapper
from consilience.prompt import prompt_tokens, render
from consilience.purse import DUST, MINIMUM, afford, unpriced
from consilience.types import Draws, Event, Ledger, Quote, Reply, Request, Reservation, Scope


class Budget:
    """A ledger in dollars. `split` makes child ledgers, so that budgets nest: what a child does not spend returns to
    its parent when it is closed."""

    def __init__(self, dollars: float, *, _source: Reservation | None = None) -> None:
        self.dollars = dollars
        self.spent = 0.0
        self._reserved = 0.0
        self._source = _source

    @property
    def left(self) -> float:
        """Dollars that may still be reserved."""
        return max(0.0, self.dollars - self.spent - self._reserved)

    def reserve(self, amount: float) -> _Reserved:
        """Set `amount` dollars aside, or raise BudgetError."""
        if amount > self.left + DUST:
            raise BudgetError(f"${amount:.6f} were to be set aside, ${self.left:.6f} are left of ${self.dollars:.6f}")
        self._reserved += amount
        return _Reserved(self, amount)

    def split(self, amount: float) -> Budget:
        """A child ledger of `amount` dollars, or BudgetError."""
        return Budget(amount, _source=self.reserve(amount))

    def close(self) -> None:
        """Hand back to the parent what is left. Safe to call twice."""
        if self._source is not None:
            self._source.settle(self.spent)

    def __enter__(self) -> Budget:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _settle(self, reserved: float, spent: float) -> None:
        self._reserved -= reserved
        self.spent += spent


class _Reserved:
    """Money set aside for one call or one child."""

    def __init__(self, budget: Budget, amount: float) -> None:
        self._budget, self._amount, self._open = budget, amount, True

    def settle(self, spent: float) -> None:
        """Book what was spent and return the rest; only the first call counts."""
        if self._open:
            self._open = False
            self._budget._settle(self._amount, spent)


class Allowance(Budget):
    """A ledger for a stream of questions: each brings `each` dollars, and what it leaves is there for those after it.

    Nothing is lent: a question can spend its own sum and what was saved before it, up to `most` dollars in all (none: all
    of it). Questions at the same time draw on the same savings, so what each can spend depends on the others.
    """

    def __init__(self, each: float, most: float | None = None) -> None:
        super().__init__(0.0)
        self.each = each
        self.most = most

    @classmethod
    def per_1k(cls, dollars: float) -> Allowance:
        """So many dollars for a thousand questions."""
        return cls(dollars / 1000)

    def question(self) -> Self:
        """Take up one more question; the ledger to put into its scope."""
        more = self.each if self.most is None else min(self.each, max(0.0, self.most - self.left))
        self.dollars += more
        return self


class Budgeted(Wrapper):
    """Pays for its draws from the ledger of the scope; without one it does nothing.

    Replies are charged at their recorded cost, whoever paid it first, so a warm store changes no result: wear it
    outside `Stored`. A call that cannot be paid in full is cut to the `max_tokens` that can (another request, another
    key); below `minimum` tokens it is a BudgetError. Prompt tokens are estimated for the reservation and settled
    exactly, so a budget can be overdrawn by the error of the calls at one time, never by more. A recorded answer costs what was
    recorded, and cannot be cut. What is inside has no ledger: it is paid for. Powers other than drawing carry no scope;
    a team pays for those (`gather.py`).
    """

    def __init__(self, inner: Model, minimum: int = MINIMUM) -> None:
        super().__init__(inner)
        self.minimum = minimum

    def again(self, inner: Model) -> Model:
        """Another model, budgeted alike."""
        return Budgeted(inner, self.minimum)

    def power(self, kind: type[P]) -> P | None:
        """The powers of the wrapped model, and `Quotes`."""
        return self if kind is Quotes else super().power(kind)  # type: ignore[return-value]

    def quote(self, request: Request, scope: Scope) -> Quote | None:
        """What the model itself says, else the price of an estimate of the prompt's tokens, and of the answer's."""
        inner, price = self.inner.power(Quotes), self.card.price
        if inner is not None:
            return inner.quote(request, scope)
        return None if price is None else Quote(price.of(prompt_tokens(render(request, self.card)), 0), price.of(0, 1))

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """The draws, as long as the budget lets them be."""
        if scope.ledger is None:
            return await self.inner.generate(request, draws, scope)
        request, quote, reserved = self._afford(request, draws.n, scope, scope.ledger)
        try:
            replies = await self.inner.generate(request, draws, replace(scope, ledger=None))
            reserved.settle(self._charge(replies, quote))
        finally:
            reserved.settle(0.0)
        return replies

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """The stream, paid like a draw."""
        if scope.ledger is None:
            async with streaming(self.inner, request, draw, scope) as events:
                async for event in events:
                    yield event
            return
        request, quote, reserved = self._afford(request, 1, scope, scope.ledger)
        try:
            async with streaming(self.inner, request, draw, replace(scope, ledger=None)) as events:
                async for event in events:
                    if event.reply is not None:
                        reserved.settle(self._charge([event.reply], quote))
                    yield event
        finally:
            reserved.settle(0.0)

    def _afford(self, request: Request, n: int, scope: Scope, ledger: Ledger) -> tuple[Request, Quote, Reservation]:
        """The request, cut to what can be paid, its quote, and the money set aside for it."""
        quote = self.quote(request, scope)
        if quote is None:
            raise unpriced(self.card.name)
        cut, reserved = afford(ledger, quote, request, n, self.card.name, self.minimum)
        return cut, quote, reserved

    def _charge(self, replies: Sequence[Reply], quote: Quote) -> float:
        """Recorded cost; where a reply has none, its tokens at the card's price, or as quoted. One greedy draw is
        charged once."""
        price = self.card.price
        unique = {(id(r)): r for r in replies}.values()
        return sum(r.cost if r.cost is not None
                   else quote.fixed + quote.each * r.usage.completion_tokens if price is None
                   else price.of(r.usage.prompt_tokens, r.usage.completion_tokens) for r in unique)
