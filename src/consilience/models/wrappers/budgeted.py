"""A model that spends from a ledger: reserve before a call, settle after it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence

from consilience.errors import BudgetError
from consilience.model import Model
from consilience.models.wrappers.base import Wrapper
from consilience.models.wrappers.limited import prompt_tokens
from consilience.prompt import render
from consilience.types import Draws, Event, Reply, Request, Reservation, Scope

_DUST = 1e-12
"""Dollars below which sums differ by rounding alone."""


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
        if amount > self.left + _DUST:
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


class Budgeted(Wrapper):
    """Pays for its draws from the ledger of the scope; without one it does nothing.

    Replies are charged at their recorded cost, whoever paid it first, so a warm store changes no result: wear it
    outside `Stored`. A call that cannot be paid in full is cut to the `max_tokens` that can (another request, another
    key); below `minimum` tokens it is a BudgetError. Prompt tokens are estimated for the reservation and settled
    exactly, so a budget can be overdrawn by the error of one estimate, never by more. Powers other than drawing carry
    no scope and are not charged.
    """

    def __init__(self, inner: Model, minimum: int = 16) -> None:
        super().__init__(inner)
        self.minimum = minimum

    def again(self, inner: Model) -> Model:
        """Another model, budgeted alike."""
        return Budgeted(inner, self.minimum)

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """The draws, as long as the budget lets them be."""
        if scope.ledger is None:
            return await self.inner.generate(request, draws, scope)
        request, reserved = self._afford(request, draws.n, scope)
        try:
            replies = await self.inner.generate(request, draws, scope)
        except BaseException:
            reserved.settle(0.0)
            raise
        reserved.settle(self._charge(replies))
        return replies

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """The stream, paid like a draw."""
        if scope.ledger is None:
            async for event in self.inner.stream(request, draw, scope):
                yield event
            return
        request, reserved = self._afford(request, 1, scope)
        try:
            async for event in self.inner.stream(request, draw, scope):
                if event.reply is not None:
                    reserved.settle(self._charge([event.reply]))
                yield event
        finally:
            reserved.settle(0.0)

    def _afford(self, request: Request, n: int, scope: Scope) -> tuple[Request, Reservation]:
        """The request, cut to what can be paid, and the money set aside for it."""
        assert scope.ledger is not None
        price, name, left = self.card.price, self.card.name, scope.ledger.left
        if price is None:
            raise BudgetError(f"the price of {name} is unknown, so a budget cannot pay for it; give it one: "
                              "price: [dollars per million prompt tokens, per million completion tokens]")
        n = 1 if request.sampling.greedy else n
        prompt = n * price.of(prompt_tokens(render(request, self.card)), 0)
        each = n * price.of(0, 1)
        wanted = request.sampling.max_tokens
        payable = wanted if each == 0 else min(wanted, math.floor((left - prompt) / each + _DUST))
        if payable < min(self.minimum, wanted) or prompt > left + _DUST:
            raise BudgetError(f"{name}: ${left:.6f} are left; the prompt takes about ${prompt:.6f} and "
                              f"{min(self.minimum, wanted)} tokens ${min(self.minimum, wanted) * each:.6f}")
        if payable < wanted:
            request = request.sampled(max_tokens=payable)
        return request, scope.ledger.reserve(min(left, prompt + payable * each))

    def _charge(self, replies: Sequence[Reply]) -> float:
        """Recorded cost; where a reply has none, its tokens at the card's price. One greedy draw is charged once."""
        price = self.card.price
        assert price is not None
        unique = {(id(r)): r for r in replies}.values()
        return sum(price.of(r.usage.prompt_tokens, r.usage.completion_tokens) if r.cost is None else r.cost for r in unique)
