"""What all wrappers share: a card, and powers that go through the wrapper where they call the model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from consilience.model import Card, Embed, Hidden, Measured, Model, NextTokens, Score, Verify, Weights, stream_whole, unworn
from consilience.types import Draws, Event, Reply, Request, Scope, Token

if TYPE_CHECKING:
    import numpy as np

P = TypeVar("P")
T = TypeVar("T")
Call = Callable[[], Awaitable[T]]


class Wrapper:
    """A model around a model.

    A subclass overrides `generate`, `again` (the same wrapper around another model) and, where it does something
    about every kind of call (retry, limit, count), `around`. Of `NextTokens` only `next` goes through it: decoding in
    lockstep needs the members themselves. An endpoint's tokens are calls, which wrappers with `passes_tokens` make.
    """

    passes_tokens: ClassVar[bool] = False

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    @property
    def card(self) -> Card:
        """The card of the wrapped model."""
        return self.inner.card

    def again(self, inner: Model) -> Model:
        """The same wrapper around another model (a sibling checkpoint)."""
        raise NotImplementedError

    async def around(self, call: Call[Measured[T]]) -> Measured[T]:
        """Make one call of a power."""
        return await call()

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """One reply per draw."""
        return await self.inner.generate(request, draws, scope)

    def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """One draw, whole, unless a wrapper does better."""
        return stream_whole(self, request, draw, scope)

    def power(self, kind: type[P]) -> P | None:
        """The power of the wrapped model, passing through this wrapper."""
        inner: Any = self.inner.power(kind)
        if inner is None or kind not in _PROXIES:
            return inner
        if hasattr(inner, "over"):      # a power that asks the model for draws
            return inner.over(self) if self.passes_tokens else inner
        proxy: Any = _PROXIES[kind](inner, self)
        return proxy


@dataclass(frozen=True, slots=True)
class _Proxy:
    power: Any
    wrapper: Wrapper


class _Score(_Proxy):
    async def score(self, request: Request, text: str) -> Measured[list[Token]]:
        """By the model's power, within the wrapper."""
        return await self.wrapper.around(lambda: self.power.score(request, text))


class _Verify(_Proxy):
    async def verify(self, request: Request, answers: Sequence[str]) -> Measured[list[float | None]]:
        """By the model's power, within the wrapper."""
        return await self.wrapper.around(lambda: self.power.verify(request, answers))


class _NextTokens(_Proxy):
    @property
    def unworn(self) -> NextTokens:
        """The model's own power, which decoding in lockstep needs."""
        return unworn(self.power)

    @property
    def host(self) -> object:
        """The model's own."""
        return self.power.host

    @property
    def vocabulary(self) -> str:
        """The model's own."""
        return self.power.vocabulary  # type: ignore[no-any-return]

    def refuses(self, peers: Sequence[NextTokens], **how: Any) -> str | None:
        """By the models' own powers: wrappers do not keep them apart."""
        return self.unworn.refuses([unworn(peer) for peer in peers], **how)

    async def decode(self, peers: Sequence[NextTokens], *what: Any, **how: Any) -> list[Reply]:
        """By the models' own powers; the wrapper does not see single tokens."""
        return await self.unworn.decode([unworn(peer) for peer in peers], *what, **how)

    async def next(self, request: Request, choices: Sequence[str]) -> Measured[list[float]]:
        """By the model's power, within the wrapper."""
        return await self.wrapper.around(lambda: self.power.next(request, choices))


class _Embed(_Proxy):
    async def embed(self, texts: Sequence[str]) -> Measured[np.ndarray]:
        """By the model's power, within the wrapper."""
        return await self.wrapper.around(lambda: self.power.embed(texts))


class _Hidden(_Proxy):
    async def hidden(self, request: Request, text: str, before: int = 0) -> Measured[np.ndarray]:
        """By the model's power, within the wrapper."""
        return await self.wrapper.around(lambda: self.power.hidden(request, text, before))


class _Weights(_Proxy):
    @property
    def path(self) -> Path:
        """The model's own."""
        return self.power.path  # type: ignore[no-any-return]

    def sibling(self, path: Path, name: str) -> Model:
        """The model's sibling, in this wrapper."""
        return self.wrapper.again(self.power.sibling(path, name))


_PROXIES: Mapping[type, type[_Proxy]] = {NextTokens: _NextTokens, Score: _Score, Verify: _Verify, Embed: _Embed, Hidden: _Hidden, Weights: _Weights}
