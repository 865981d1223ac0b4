"""The OpenAI wire format: requests as bodies, answers as replies, failures as ModelErrors."""

from __future__ import annotations

import email.utils
import importlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from consilience.errors import ConfigError, ModelError, TeamError
from consilience.types import Draws, Message, Request, Scope, Token, digest

TOP_LOGPROBS = 5
"""Alternatives asked for at each token when log-probabilities are wanted."""
MOST_LOGPROBS = 20
"""The same where as many as possible are wanted (the extra `alternatives`), which chat endpoints give."""

_PLAIN = frozenset({"temperature", "top_p", "stop", "seed", "logprobs", "n", "tools"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a kind of server honours. `limit` is its name for max_tokens; `generation_config` says that it takes
    sampling in that field (`transformers serve`); `concurrency` is how many calls at once leave draws repeatable.
    `always` is sent where a request does not say otherwise, for servers whose defaults change what is sampled; `names`
    are other names of settings; `echoes` says that a continued answer comes back with its beginning; `most_logprobs` are
    the alternatives that its completions give."""

    name: str
    settings: frozenset[str]
    limit: str = "max_tokens"
    generation_config: bool = False
    stream_usage: bool = True
    concurrency: int = 16
    always: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    echoes: bool = False
    most_logprobs: int = TOP_LOGPROBS


DIALECTS: Mapping[str, Dialect] = {d.name: d for d in (
    Dialect("openai", _PLAIN, "max_completion_tokens"),
    Dialect("compatible", _PLAIN),
    Dialect("vllm", _PLAIN | {"top_k", "min_p", "repetition_penalty", "continue"}, most_logprobs=MOST_LOGPROBS),
    Dialect("llamacpp", _PLAIN | {"top_k", "min_p", "repetition_penalty", "continue"}, echoes=True, most_logprobs=MOST_LOGPROBS,
            always={"top_k": 0, "min_p": 0.0}, names={"repetition_penalty": "repeat_penalty"}),
    # One generator serves all its requests, so seeds hold only one call at a time; n and log-probabilities are ignored.
    Dialect("transformers", frozenset({"temperature", "top_p", "stop", "seed", "tools", "top_k", "min_p",
                                       "repetition_penalty"}),
            generation_config=True, stream_usage=False, concurrency=1),
)}
"""`compatible` is plain Chat Completions, what any such server takes."""


@dataclass(frozen=True, slots=True)
class Wire:
    """How one endpoint is spoken to. `without` are settings that the user gave up: they are not sent."""

    model: str
    dialect: Dialect
    api: str = "chat"
    without: frozenset[str] = frozenset()
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> frozenset[str]:
        """What is honoured. A seed belongs to one draw, so where seeds are sent `n` is not used."""
        sent = self.dialect.settings - self.without
        sent = sent | {"continue"} if self.api == "completions" else sent
        return sent - {"n"} if "seed" in sent else sent

    def write(self, request: Request, draws: Draws, scope: Scope) -> dict[str, Any]:
        """Keyword arguments of the client's `create`. Raises ConfigError or TeamError for what is not honoured."""
        self._refuse(request, scope)
        sampling, extra = request.sampling, dict(self.body)
        out: dict[str, Any] = {"model": self.model}
        extra |= self._sampling(request)
        if self.dialect.generation_config:
            out["extra_body"] = extra
        else:
            for key in ("temperature", "top_p"):
                if key in extra:
                    out[key] = extra.pop(key)
            limit = "max_tokens" if self.api == "completions" else self.dialect.limit
            out[limit] = sampling.max_tokens
        if sampling.stop and "stop" in self.settings:
            out["stop"] = list(sampling.stop)
        if "seed" in self.settings:
            out["seed"] = draw_seed(request, draws)
        if draws.n > 1:
            out["n"] = draws.n
        if "logprobs" in scope.extras:
            top = MOST_LOGPROBS if "alternatives" in scope.extras else TOP_LOGPROBS
            out |= {"logprobs": min(top, self.dialect.most_logprobs)} if self.api == "completions" else {
                "logprobs": True, "top_logprobs": top}
        self._prompt(request, out, extra)
        if extra:
            out["extra_body"] = extra
        return out

    def _sampling(self, request: Request) -> dict[str, Any]:
        sampling, sent = request.sampling, self.settings
        values: dict[str, Any] = {"temperature": sampling.temperature, "top_p": sampling.top_p, **self.dialect.always}
        if sampling.top_k is not None:
            values["top_k"] = sampling.top_k
        if sampling.min_p:
            values["min_p"] = sampling.min_p
        if sampling.repetition_penalty != 1.0:
            values["repetition_penalty"] = sampling.repetition_penalty
        values = {self.dialect.names.get(key, key): value for key, value in values.items() if key in sent}
        if not self.dialect.generation_config:
            return values
        if sampling.greedy:
            values = {k: v for k, v in values.items() if k == "repetition_penalty"}
        config: dict[str, Any] = {"do_sample": not sampling.greedy, "max_new_tokens": sampling.max_tokens}
        config |= values if sampling.greedy else {"top_k": 0, **values}
        return {"generation_config": json.dumps(config)}

    def _prompt(self, request: Request, out: dict[str, Any], extra: dict[str, Any]) -> None:
        if self.api == "completions":
            out["prompt"] = "\n\n".join(m.content for m in request.messages) + request.prefix
            return
        out["messages"] = [_message(m) for m in request.messages]
        if request.tools:
            out["tools"] = list(request.tools)
        if request.prefix:
            out["messages"].append({"role": "assistant", "content": request.prefix})
            extra |= {"continue_final_message": True, "add_generation_prompt": False}

    def _refuse(self, request: Request, scope: Scope) -> None:
        sampling, known = request.sampling, self.settings | self.without
        wanted = {"top_k": sampling.top_k is not None, "min_p": sampling.min_p > 0,
                  "repetition_penalty": sampling.repetition_penalty != 1.0, "stop": bool(sampling.stop),
                  "tools": bool(request.tools)}
        for name, is_set in wanted.items():
            if is_set and name not in known:
                raise ConfigError(f"{self.model} (dialect {self.dialect.name!r}) does not honour {name}; it honours "
                                  f"{', '.join(sorted(self.settings))}. Set `dialect:` if the server does, or "
                                  f"`without: [{name}]` to go on without it")
        if request.prefix and "continue" not in self.settings:
            raise TeamError(f"{self.model} cannot continue a partial answer (dialect {self.dialect.name!r}); "
                            "`dialect: vllm`, `dialect: llamacpp` or `api: completions` can")
        if "logprobs" in scope.extras and "logprobs" not in self.settings:
            raise TeamError(f"{self.model} (dialect {self.dialect.name!r}) gives no log-probabilities")


def draw_seed(request: Request, draws: Draws) -> int:
    """Seed of the sampler for one draw: 31 bits of a hash of request seed, stream and index."""
    return int(digest([request.seed, draws.stream, draws.first])[:8], 16) & 0x7FFFFFFF


def _message(message: Message) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name is not None:
        out["name"] = message.name
    if message.tool_calls:
        out["tool_calls"] = list(message.tool_calls)
    if message.tool_call_id is not None:
        out["tool_call_id"] = message.tool_call_id
    return out


def clean(text: str) -> str:
    """The text without lone surrogates, which no file and no further request could carry."""
    return text.encode("utf-8", "replace").decode()


NEVER = -9999.0
"""Log-probability of a token that cannot come, as servers write it; infinities are read as it."""


def _token(text: str, logprob: float, top: Iterable[tuple[str, float]]) -> Token:
    return Token(clean(text), _logprob(logprob), tuple((clean(t), _logprob(value)) for t, value in top))


def _logprob(value: float) -> float:
    """A log-probability as told, rounding above 0 and what lies below NEVER cut off. ValueError for what is none."""
    if not isinstance(value, (int, float)) or not value < 0.01:
        raise ValueError(f"{value!r} is no log-probability")
    return min(0.0, max(NEVER, value))


def chat_tokens(logprobs: Any) -> tuple[Token, ...] | None:
    """Tokens of a chat choice."""
    if logprobs is None or logprobs.content is None:
        return None
    return tuple(_token(t.token, t.logprob, ((a.token, a.logprob) for a in t.top_logprobs or ())) for t in logprobs.content)


def completion_tokens(logprobs: Any) -> tuple[Token, ...] | None:
    """Tokens of a completion choice; llama.cpp writes them as a chat choice's."""
    if isinstance(content := getattr(logprobs, "content", None), list):
        return tuple(_token(t["token"], t["logprob"], ((a["token"], a["logprob"]) for a in t["top_logprobs"])) for t in content)
    if logprobs is None or logprobs.tokens is None:
        return None
    tops = logprobs.top_logprobs or [None] * len(logprobs.tokens)
    return tuple(_token(text, value, (top or {}).items())
                 for text, value, top in zip(logprobs.tokens, logprobs.token_logprobs, tops, strict=True))


class Thinking:
    """Parts a text that comes in pieces into reasoning (a leading `<think>...</think>`) and answer.

    `inside` is for models whose prompt already opened the block.
    """

    OPEN, CLOSE = "<think>", "</think>"

    def __init__(self, inside: bool = False) -> None:
        self.reasoning = ""
        self._held = ""
        self._state = "in" if inside else "before"

    def feed(self, piece: str) -> str:
        """What of the answer has become known."""
        self._held += piece
        if self._state == "before":
            start = self._held.lstrip()
            if start.startswith(self.OPEN):
                self._state, self._held = "in", start[len(self.OPEN):]
            elif not self.OPEN.startswith(start):
                self._state = "out"
        if self._state == "in":
            head, mark, tail = self._held.partition(self.CLOSE)
            if not mark:
                return ""
            self.reasoning, self._held, self._state = head.strip(), tail, "after"
        if self._state == "after":
            self._held = self._held.lstrip()
            if self._held:
                self._state = "out"
        if self._state != "out":
            return ""
        text, self._held = self._held, ""
        return text

    def end(self) -> str:
        """What is left of the answer; reasoning that was never closed stays reasoning."""
        text, self._held = self._held, ""
        if self._state == "in":
            self.reasoning, text = text.strip(), ""
        return "" if self._state == "after" else text


def split_thinking(text: str) -> tuple[str, str]:
    """Reasoning and answer of a whole text."""
    inside = Thinking.CLOSE in text and not text.lstrip().startswith(Thinking.OPEN)
    thinking = Thinking(inside)
    answer = thinking.feed(text) + thinking.end()
    return thinking.reasoning, answer


_CONTEXT = ("context_length", "context length", "maximum context", "too many tokens", "reduce the length")


def explain(name: str, error: Exception, url: str = "") -> ModelError:
    """What a failure of the client means: its reason, whether it may pass, and when to come back."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return ModelError(f"{name} did not answer in time", reason="timeout", transient=True)
    if isinstance(error, openai.APIStatusError):
        return _status(name, error)
    if isinstance(error, (openai.APIConnectionError, OSError)) or isinstance(error, transport_errors()):
        return ModelError(f"{name} cannot be reached at {url}: {error.__cause__ or error}", reason="down", transient=True)
    return ModelError(f"{name} sent an answer that cannot be read: {str(error)[:200]}", transient=True)


def no_answer(name: str, url: str, answer: Any) -> ModelError:
    """An answer of status 200 that is none: an error in its clothes, or the page of something else than a model."""
    error = getattr(answer, "error", None)
    if error is not None:
        said = error.get("message", error) if isinstance(error, Mapping) else error
        return ModelError(f"{name} answered with an error: {' '.join(str(said).split())[:300]}", transient=True)
    return ModelError(f"{name} answered at {url} with no choices: {str(answer)[:200]!r}. Is the base URL right? It often "
                      "ends in /v1", transient=True)


_TODO = {401: "; check the key (OPENAI_API_KEY, or key_env)", 403: "; check the key (OPENAI_API_KEY, or key_env)",
         404: "; check the name of the model, and the base URL"}


def _status(name: str, error: Any) -> ModelError:
    status, text = error.status_code, _reason(error.body)
    said = f"{name} answered {status}: {text or 'no reason given'}{_TODO.get(status, '')}"
    after = _seconds(error.response.headers)
    if status == 429:
        return ModelError(said, reason="rate-limit", retry_after=after, transient=error.code != "insufficient_quota")
    if status in (408, 504):
        return ModelError(said, reason="timeout", retry_after=after, transient=True)
    if status >= 500 or status in (409, 425):
        return ModelError(said, reason="down", retry_after=after, transient=True)
    if any(mark in text.lower() or mark in str(error.code or "") for mark in _CONTEXT):
        return ModelError(said, reason="context")
    return ModelError(said, reason="refused" if status in (401, 403, 404) or "content" in str(error.code) else "error")


def _reason(body: Any) -> str:
    """What a server says of a failure: the field that the API has for it, or that others use; a page says nothing."""
    found = body
    for name in ("error", "message", "detail"):
        found = found.get(name) or found if isinstance(found, Mapping) else found
    text = found if isinstance(found, str) else json.dumps(found) if found else ""
    return "" if text.startswith("<") else " ".join(text.split())[:300]


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds, from either of its forms."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds:
            return max(0.0, float(milliseconds) / 1000)
        if value:
            return max(0.0, float(value))
    except ValueError:
        with suppress(ValueError):      # neither form: as if nothing had been said
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def transport_errors() -> tuple[type[Exception], ...]:
    """Errors of the HTTP library under the client, which it lets through while a stream is read."""
    import openai

    http = importlib.import_module(openai.Timeout.__init__.__module__.partition(".")[0])
    return (http.HTTPError,)


def counted(tokens: Any) -> int:
    """A number of tokens as a server tells it, 0 for null. ValueError for what counts nothing."""
    if tokens is None:
        return 0
    if not isinstance(tokens, (int, float)) or not 0 <= tokens < float("inf"):
        raise ValueError(f"{tokens!r} is no number of tokens")
    return int(tokens)


def shares(total: int, n: int) -> Sequence[int]:
    """`total` in n nearly equal whole parts, larger ones first."""
    return [total // n + (i < total % n) for i in range(n)]
