"""Replies as JSON text and back: exact, and small because what has its default value is left out."""

from __future__ import annotations

import json
from dataclasses import fields
from operator import attrgetter
from typing import Any

from consilience.errors import StoreError
from consilience.types import Absent, Message, Reply, Token, Usage

_PLAIN = {f.name: f.default for f in fields(Reply)
          if f.name not in ("text", "usage", "tokens", "parts", "absent", "note", "prompt")}

_plain = attrgetter(*_PLAIN)


def to_json(reply: Reply) -> dict[str, Any]:
    """The reply tree as JSON values."""
    out: dict[str, Any] = {"text": reply.text}
    for (name, default), value in zip(_PLAIN.items(), _plain(reply), strict=True):
        if value != default:
            out[name] = value
    usage = reply.usage
    if usage != _NOTHING:
        out["usage"] = [usage.calls, usage.prompt_tokens, usage.completion_tokens]
    if reply.tokens is not None:
        out["tokens"] = [[t.text, t.logprob, [list(pair) for pair in t.top]] for t in reply.tokens]
    if reply.parts:
        out["parts"] = [to_json(part) for part in reply.parts]
    if reply.absent:
        out["absent"] = [[a.member, a.reason, a.detail] for a in reply.absent]
    if reply.note:
        out["note"] = dict(reply.note)
    if reply.prompt:
        out["prompt"] = [[m.role, m.content, *((m.name,) if m.name else ())] for m in reply.prompt]
    return out


def from_json(data: dict[str, Any]) -> Reply:
    """The reply tree that `to_json` wrote. Lists inside notes stay lists."""
    made: dict[str, Any] = dict(data)
    if "usage" in made:
        made["usage"] = Usage(*made["usage"])
    if "tokens" in made:
        made["tokens"] = tuple(Token(text, logprob, tuple((t, p) for t, p in top))
                               for text, logprob, top in made["tokens"])
    if "parts" in made:
        made["parts"] = tuple(from_json(part) for part in made["parts"])
    if "absent" in made:
        made["absent"] = tuple(Absent(*entry) for entry in made["absent"])
    if "prompt" in made:
        made["prompt"] = tuple(Message(*entry) for entry in made["prompt"])
    return Reply(**made)


def pack(reply: Reply) -> str:
    """One line of JSON. A note that holds something else than JSON values is a StoreError."""
    try:
        return _encode(to_json(reply))
    except TypeError as error:
        raise StoreError(f"a reply of {reply.model or 'a model'} cannot be kept, its note is not JSON: {error}") from None


def unpack(text: str) -> Reply:
    """The reply in a line that `pack` wrote."""
    try:
        return from_json(json.loads(text))
    except (ValueError, TypeError) as error:
        raise StoreError(f"a stored reply cannot be read ({error}): {text[:80]!r}") from error


_NOTHING = Usage()
_encode = json.JSONEncoder(separators=(",", ":")).encode
