"""Flags that a user writes into a question, such as `[flag: size 0.5, max price 2]`: weights and limits on the members."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from consilience.errors import ConfigError, TeamError
from consilience.types import Request

KINDS = ("size", "price", "latency")
"""What flags speak of: parameters, US dollars per million completion tokens, mean seconds on dev."""

_BRACKET = re.compile(r"\s*\[flags?:([^\]]*)\]", re.IGNORECASE)
_FLAG = re.compile(r"(max\s+)?(\w+)\s*[=:]?\s*(-?\d+(?:\.\d+)?)\s*([kmb]?)", re.IGNORECASE)
_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}


@dataclass(frozen=True, slots=True)
class Flags:
    """`weights` say what the highest value of a kind costs in score, `limits` what a member may have at most. `ignored`
    are flags that nobody understood."""

    weights: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def penalties(self, values: Mapping[str, Sequence[float | None]]) -> list[float]:
        """What each member loses: weight times value over the highest one; an unknown value counts as the highest."""
        count = len(next(iter(values.values())))
        shares = {kind: _shares(values[kind]) for kind in self.weights}
        return [sum(weight * shares[kind][m] for kind, weight in self.weights.items()) for m in range(count)]

    def allowed(self, values: Mapping[str, Sequence[float | None]]) -> list[int]:
        """Places of the members within all limits; an unknown value is not. TeamError naming the limits if nobody is."""
        places = range(len(next(iter(values.values()))))
        found = [m for m in places if all((value := values[kind][m]) is not None and value <= limit
                                          for kind, limit in self.limits.items())]
        if not found:
            told = "; ".join(f"max {kind} {limit:g}, and theirs are {', '.join(_said(v) for v in values[kind])}"
                             for kind, limit in self.limits.items())
            raise TeamError(f"no member keeps to the limits of the question: {told}")
        return found


def read_flags(text: str) -> tuple[str, Flags]:
    """The text without its flags, and the flags. ConfigError for a negative number."""
    weights, limits, ignored = {}, {}, []
    for part in (p.strip() for bracket in _BRACKET.findall(text) for p in bracket.split(",") if p.strip()):
        found = _FLAG.fullmatch(part)
        if found is None or found[2].lower() not in KINDS:
            ignored.append(part)
            continue
        value = float(found[3]) * _UNITS[found[4].lower()]
        if value < 0:
            raise ConfigError(f"the flag {part!r} has a negative number; weights and limits start at 0")
        (limits if found[1] else weights)[found[2].lower()] = value
    return _BRACKET.sub("", text).strip() if _BRACKET.search(text) else text, Flags(weights, limits, tuple(ignored))


def strip_flags(request: Request) -> tuple[Request, Flags]:
    """The request with the flags of its last user message taken out, and the flags."""
    last = max((i for i, m in enumerate(request.messages) if m.role == "user"), default=None)
    if last is None:
        return request, Flags()
    text, flags = read_flags(request.messages[last].content)
    messages = tuple(replace(m, content=text) if i == last else m for i, m in enumerate(request.messages))
    return request.having(messages=messages), flags


def _shares(values: Sequence[float | None]) -> list[float]:
    top = max((v for v in values if v is not None), default=0.0)
    return [1.0 if v is None else v / top if top else 0.0 for v in values]


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
