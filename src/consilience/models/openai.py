"""Members behind any OpenAI-compatible endpoint, chat or completions, with the `openai` client."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from consilience.errors import ConfigError, ModelError, TeamError, did_you_mean
from consilience.model import Card, Continue, Embed, Measured, NextTokens, P, Price
from consilience.models.loops import PerLoop, all_of
from consilience.models.remote import Remote
from consilience.models.wire import (DIALECTS, Thinking, Wire, chat_tokens, clean, completion_tokens, counted, explain, no_answer,
                                     shares, split_thinking, transport_errors)
from consilience.prompt import render
from consilience.types import Draws, Event, Reply, Request, Scope, Usage, digest

if TYPE_CHECKING:
    import numpy as np
    from openai import AsyncOpenAI

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""Sent where there is no key."""
SECRET = 8
"""Keys of so many signs are kept out of messages; shorter ones, such as EMPTY, guard nothing."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
BATCH = 256
"""Texts that are embedded in one call."""
_MALFORMED = (AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer raises whose fields are not of the types that they should be; the client does not check."""


class Endpoint:
    """One model of an OpenAI-compatible server.

    `base_url` is by default `OPENAI_BASE_URL`, else OpenAI's. The key comes from the environment variable `key_env`
    (`OPENAI_API_KEY`); it is required over https, and sent over plain http only to this machine or when `key_env` is
    named. `dialect` says what the server honours (`openai`, `compatible`, `vllm`, `llamacpp`, `transformers`), `without` which of
    these settings are given up, `body` what else is sent with every call. `api` is `chat`, `completions`, or `embeddings`. Where seeds are honoured each draw is a call
    of its own with its own seed; `without: [seed]` buys several draws per call (`n`), not repeatable.

    Times are in seconds. It neither retries nor limits itself: wear `Retried` and `Limited`.
    """

    def __init__(self, model: str, base_url: str | None = None, *, dialect: str | None = None, api: str = "chat",
                 without: Sequence[str] = (), body: Mapping[str, Any] | None = None, key_env: str | None = None,
                 timeout: float = 600.0, price: Price | None = None, context: int | None = None, name: str = "",
                 **card: Any) -> None:
        self.url = (base_url or os.getenv("OPENAI_BASE_URL") or OPENAI_URL).rstrip("/")
        self.timeout = timeout
        self._key = key_for(self.url, key_env)
        self.wire = _wire(model, self.url, dialect, api, without, body or {})
        self._client = PerLoop(self._connect)
        settings = self.wire.settings
        facts: dict[str, Any] = {"name": name or model, "price": price, "context": context, "settings": settings,
                                 "powers": frozenset(_powers(self.wire)),
                                 "spec": f"openai:{model}" + (f"@{self.url}" if self.url != OPENAI_URL else ""), **card}
        self.card = Card(**facts, fingerprint=digest(["openai", self.url, model, self.wire.dialect.name, api,
                                                      sorted(self.wire.without), dict(self.wire.body)]))

    def power(self, kind: type[P]) -> P | None:
        """`Continue`, where the server can; `NextTokens`, where it gives log-probabilities too; `Embed` with that API."""
        if kind.__name__ not in _powers(self.wire):
            return None
        offered: Any = Remote(self) if kind is NextTokens else self
        return offered

    async def embed(self, texts: Sequence[str]) -> Measured[np.ndarray]:
        """Vectors of texts, float32 [texts, width], `BATCH` of them a call; with `api: embeddings`."""
        import numpy as np

        began, usage, rows = time.perf_counter(), Usage(), []
        for at in range(0, len(texts), BATCH):
            part = [text or " " for text in texts[at:at + BATCH]]
            try:
                answer = await self._client().embeddings.create(model=self.wire.model, input=part, encoding_format="float",
                                                                extra_body=dict(self.wire.body), timeout=self.timeout)
                found = np.array([one.embedding for one in sorted(answer.data, key=lambda one: one.index)], np.float32)
                read = counted(answer.usage.prompt_tokens) if answer.usage is not None else 0
            except (*_client_errors(), *_MALFORMED) as error:
                raise self._failed(error) from error
            if found.ndim != 2 or len(found) != len(part):
                raise ModelError(f"{self.card.name} gave {len(found)} vectors for {len(part)} texts")
            rows.append(found)
            usage += Usage(1, read, 0)
        price = self.card.price
        cost = price.of(usage.prompt_tokens, 0) if price is not None else None
        return Measured(np.concatenate(rows), usage, cost, time.perf_counter() - began)

    async def generate(self, request: Request, draws: Draws = Draws(), scope: Scope = Scope()) -> list[Reply]:
        """The draws: one call each with its own seed, or one call for all where seeds are given up."""
        if self.wire.api == "embeddings":
            raise TeamError(f"{self.card.name} embeds texts (api: embeddings) and writes none; name it in the role embedder")
        request = render(request, self.card)
        if draws.n == 1 or "n" in self.card.settings:
            return await self._call(request, draws, scope)
        calls = (self._call(request, Draws(1, index, draws.stream), scope)
                 for index in range(draws.first, draws.first + draws.n))
        return [reply for [reply] in await all_of(*calls)]

    async def stream(self, request: Request, draw: Draws = Draws(), scope: Scope = Scope()) -> AsyncIterator[Event]:
        """Deltas of the answer as they come (reasoning is kept for the reply), then `done`."""
        request, one = render(request, self.card), Draws(1, draw.first, draw.stream)
        values = self.wire.write(request, one, scope) | {"stream": True}
        if self.wire.dialect.stream_usage:
            values["stream_options"] = {"include_usage": True}
        story, began = _Story(self.wire.api), time.perf_counter()
        try:
            async with await self._create(values, scope) as chunks:     # leaving the stream hangs up
                async for chunk in chunks:
                    if text := story.take(chunk):
                        yield Event("delta", text)
        except (*_client_errors(), *_MALFORMED) as error:
            raise self._failed(error) from error
        if text := story.end():
            yield Event("delta", text)
        yield Event("done", reply=self._reply(story, one.first, time.perf_counter() - began))

    async def _call(self, request: Request, draws: Draws, scope: Scope) -> list[Reply]:
        values, began = self.wire.write(request, draws, scope), time.perf_counter()
        try:
            answer = await self._create(values, scope)
        except _client_errors() as error:
            raise self._failed(error) from error
        seconds = time.perf_counter() - began
        choices = getattr(answer, "choices", None)
        if not isinstance(choices, list):
            raise self._discreet(no_answer(self.card.name, self.url, answer))
        if 0 < len(choices) < draws.n:
            raise ModelError(f"{self.card.name} answered with {len(choices)} choices instead of {draws.n}: the server does not "
                             "honour n. Name that beside seed, without: [seed, n], and each draw is a call")
        if not choices:
            raise ModelError(f"{self.card.name} answered with no choices: {str(answer)[:200]!r}", transient=True)
        try:
            stories = [_Story(self.wire.api).whole(choice) for choice in choices[:draws.n]]
            if self.wire.dialect.echoes and self.wire.api == "chat":
                for story in stories:
                    story.text = story.text.removeprefix(request.prefix)
            _bill(stories, answer.usage)
        except _MALFORMED as error:
            raise self._failed(error) from error
        return [self._reply(story, draws.first + i, seconds) for i, story in enumerate(stories)]

    def _failed(self, error: Exception) -> ModelError:
        """What a failure of a call means."""
        return self._discreet(explain(self.card.name, error, self.url))

    def _discreet(self, error: ModelError) -> ModelError:
        """The error without the key, which some servers repeat: messages go into results, and on to others."""
        if len(self._key) >= SECRET:
            error.args = (str(error).replace(self._key, "***"),)
        return error

    async def _create(self, values: dict[str, Any], scope: Scope) -> Any:
        timeout = self.timeout
        if scope.deadline is not None:
            timeout = min(timeout, scope.deadline - time.time())
            if timeout <= 0:
                raise ModelError(f"{self.card.name} was not asked: the time was up", reason="timeout")
        client = self._client()
        create: Any = client.chat.completions.create if self.wire.api == "chat" else client.completions.create
        return await create(**values, timeout=timeout)

    def _reply(self, story: _Story, index: int, seconds: float) -> Reply:
        if story.finish == "content_filter":
            raise ModelError(f"{self.card.name} filtered its answer", reason="refused")
        usage, price = story.usage, self.card.price
        cost = price.of(usage.prompt_tokens, usage.completion_tokens) if price and story.billed else None
        note: dict[str, Any] = {"tool_calls": story.tool_calls} if story.tool_calls else {}
        if story.stopped is not None:
            note["stopped"] = story.stopped
        return Reply(story.text, stop="length" if story.finish == "length" else "stop", usage=usage, cost=cost,
                     seconds=seconds, model=self.card.name, draw=index, reasoning=story.reasoning,
                     tokens=story.tokens, note=note)

    def _connect(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        # The client's own HTTP client would be closed in whatever loop runs when it is collected, with a traceback.
        return AsyncOpenAI(api_key=self._key, base_url=self.url, max_retries=0, timeout=self.timeout,
                           http_client=DefaultAsyncHttpxClient())


def _powers(wire: Wire) -> list[str]:
    """Names of the powers that a server spoken to like this has."""
    if wire.api == "embeddings":
        return [Embed.__name__]
    if "continue" not in wire.settings:
        return []
    return [Continue.__name__, *([NextTokens.__name__] if "logprobs" in wire.settings else [])]


class _Story:
    """What one choice said, whole or piece by piece."""

    def __init__(self, api: str) -> None:
        self.api, self.text, self.reasoning, self.finish = api, "", "", ""
        self.tokens: tuple[Any, ...] | None = None
        self.tool_calls: list[Any] = []
        self.usage, self.billed = Usage(calls=1), False
        self.stopped: bool | None = None
        self._thinking = Thinking()

    def whole(self, choice: Any) -> _Story:
        """All of a choice at once."""
        self.finish, self.stopped = choice.finish_reason or "stop", _stopped(choice)
        if self.api == "completions":
            self.text, self.tokens = clean(choice.text or ""), completion_tokens(choice.logprobs)
            return self
        message = choice.message
        thought, self.text = split_thinking(clean(message.content or ""))
        self.reasoning = _reasoning(message) or thought
        self.tokens = chat_tokens(choice.logprobs)
        self.tool_calls = [call.model_dump() for call in message.tool_calls or ()]
        return self

    def take(self, chunk: Any) -> str:
        """One chunk of a stream; returns what it adds to the answer."""
        if chunk.usage is not None:
            _bill([self], chunk.usage)
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self.finish = choice.finish_reason or self.finish
        self.stopped = _stopped(choice) if choice.finish_reason else self.stopped
        if self.api == "completions":
            found, text = completion_tokens(choice.logprobs), clean(choice.text or "")
        else:
            found, text = chat_tokens(choice.logprobs), self._thinking.feed(clean(choice.delta.content or ""))
            self.reasoning += _reasoning(choice.delta)
        if found is not None:
            self.tokens = (self.tokens or ()) + found
        self.text += text
        return text

    def end(self) -> str:
        """The stream is over; returns what was held back."""
        if not self.finish:
            raise ModelError("the stream broke off before its end", reason="down", transient=True)
        rest = self._thinking.end()
        self.text += rest
        self.reasoning = self.reasoning or self._thinking.reasoning
        return rest


def _stopped(choice: Any) -> bool | None:
    """Whether a stop string ended the text (True) or the model (False), where the server says so, as vLLM does."""
    return isinstance(choice.stop_reason, str) if hasattr(choice, "stop_reason") else None


def _reasoning(message: Any) -> str:
    """Reasoning that the server keeps apart, under either of its two names."""
    for name in ("reasoning_content", "reasoning"):
        value = getattr(message, name, None)
        if isinstance(value, str):
            return clean(value)
    return ""


def _bill(stories: Sequence[_Story], usage: Any) -> None:
    """Share the usage of one call among its choices: the prompt is read once, for the first."""
    if usage is None:
        return
    read = counted(usage.prompt_tokens)
    for i, (story, written) in enumerate(zip(stories, shares(counted(usage.completion_tokens), len(stories)), strict=True)):
        story.usage, story.billed = Usage(1, read if i == 0 else 0, written), True


def _client_errors() -> tuple[type[Exception], ...]:
    import openai

    return (openai.OpenAIError, ValueError, RecursionError, OSError, *transport_errors())


def _wire(model: str, url: str, dialect: str | None, api: str, without: Sequence[str], body: Mapping[str, Any]) -> Wire:
    dialect = dialect or ("openai" if urlsplit(url).hostname == "api.openai.com" else "compatible")
    if dialect not in DIALECTS:
        raise ConfigError(f"openai:{model}: unknown dialect {dialect!r}.{did_you_mean(dialect, DIALECTS)}")
    if api not in ("chat", "completions", "embeddings"):
        raise ConfigError(f"openai:{model}: api is 'chat', 'completions' or 'embeddings', not {api!r}")
    for name in without:
        if name not in DIALECTS[dialect].settings:
            raise ConfigError(f"openai:{model}: without: {name!r} is not a setting of dialect {dialect!r}."
                              f"{did_you_mean(name, DIALECTS[dialect].settings)}")
    return Wire(model, DIALECTS[dialect], api, frozenset(without), body)


def key_for(url: str, key_env: str | None = None) -> str:
    """The key for a base URL, checked; ConfigError never shows it."""
    parts = _base(url)
    local = parts.hostname in _LOOPBACK
    name = key_env or "OPENAI_API_KEY"
    key = os.environ.get(name, "").strip()
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(f"the key in the environment variable {name} holds spaces or signs that no key has; set it anew")
    if key and (parts.scheme == "https" or local or key_env):
        return key
    if key_env or parts.scheme == "https" and not local:
        raise ConfigError(f"{url} needs a key: set the environment variable {name}, or name another one with key_env")
    return NO_KEY


def _base(url: str) -> SplitResult:
    """The parts of a base URL. ConfigError for what is none, and for one that holds a password or a query: it is written
    into results, where no secret may stand."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        known = None
    if not known:
        raise ConfigError(f"{url.rpartition('@')[2]!r} is not a base URL such as http://127.0.0.1:8000/v1")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(f"the base URL of {parts.hostname} holds a user, a password or a query. It is written into results, so "
                          "keep it bare: put the key into an environment variable, and name that with key_env")
    return parts
