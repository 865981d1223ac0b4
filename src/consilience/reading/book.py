"""Formats by name, and to JSON and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from consilience.errors import ConfigError, did_you_mean
from consilience.reading.choice import Choice
from consilience.reading.exact import Exact
from consilience.reading.f1 import F1
from consilience.reading.free import Free
from consilience.reading.literal import Literal
from consilience.reading.math import Math
from consilience.reading.number import Number
from consilience.reading.yesno import YesNo
from consilience.types import AnswerFormat

FORMATS: Mapping[str, type] = {
    "choice": Choice, "exact": Exact, "f1": F1, "free": Free, "literal": Literal, "math": Math, "number": Number, "yesno": YesNo}
"""All formats by the first word of their name."""

_NAME = re.compile(r"([a-z0-9]+)(?:-(.+?))?(?:/(\d+))?")


def from_name(name: str) -> AnswerFormat:
    """The format called `choice-4/1`, `number/1`, `exact-yes|no/1`; the version may be left out."""
    match = _NAME.fullmatch(name.strip())
    if match is None or match[1] not in FORMATS:
        raise ConfigError(f"unknown answer format {name!r}.{did_you_mean(match[1] if match else name, FORMATS)}")
    kind, given, version = match.groups()
    if version not in (None, "1"):
        raise ConfigError(f"answer format {name!r} has version {version}; this library reads version 1")
    if kind == "choice":
        if given is None or not given.isdigit():
            raise ConfigError(f"answer format {name!r} lacks the number of options, such as 'choice-4'")
        return Choice(int(given))
    if kind == "exact":
        return Exact(tuple(given.split("|")) if given else ())
    if given is not None:
        raise ConfigError(f"answer format {kind!r} takes nothing after its name, got {name!r}")
    return FORMATS[kind]()


def to_dict(format: AnswerFormat) -> dict[str, Any]:
    """A JSON-able description, `{"name": ..., **fields}`, from which `from_dict` makes an equal format."""
    if type(format) not in FORMATS.values():
        raise ConfigError(f"only the formats of this library can be written, got {type(format).__name__}")
    values = {f.name: getattr(format, f.name) for f in fields(type(format))}
    return {"name": format.name, **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v != ()}}


def from_dict(description: Mapping[str, Any]) -> AnswerFormat:
    """The format that `to_dict` described."""
    if not isinstance(description.get("name"), str):
        raise ConfigError(f"an answer format needs a 'name', got {dict(description)!r}")
    kind = type(from_name(description["name"]))
    known = {f.name for f in fields(kind)}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in description.items() if k != "name"}
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigError(f"answer format {description['name']!r} has no field {unknown[0]!r}."
                          f"{did_you_mean(unknown[0], known)}")
    return kind(**given)
