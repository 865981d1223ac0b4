"""The wordings that a method speaks in: found in its code, shown to users, and replaced by theirs.

A wording of a method's own is a constant of its module (`DISCUSS` is called `discuss`); a named form that it puts
requests in (`fuse`) goes by the form's name. `prompts: {discuss: "..."}` among a method's options replaces one.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from consilience.errors import ConfigError, did_you_mean
from consilience.prompt import FORMS, in_force, places, put
from consilience.types import Wording, digest

ITEM = frozenset({"number", "letter", "text"})
"""What an item of a list may show."""


@cache
def wordings_of(cls: type) -> Mapping[str, Wording]:
    """The default wordings of a method by name, in order of name, wherever its code (with what it imports from `learn`) uses
    them."""
    found: dict[str, Wording] = {}
    seen: set[Any] = set()
    for base in cls.__mro__:
        if base.__module__ not in ("builtins", "abc", "consilience.method"):
            for name in vars(base):
                _walk(inspect.getattr_static(cls, name), cls.__module__, found, seen)
    return dict(sorted(found.items()))


def _walk(value: Any, home: str, found: dict[str, Wording], seen: set[Any]) -> None:
    """Note the wordings that a function, or the functions of a class, name; go on to what they name in turn."""
    value = getattr(value, "__func__", getattr(value, "fget", value))
    if isinstance(value, type):
        for part in vars(value).values():
            if isinstance(part, FunctionType | classmethod | staticmethod | property):
                _walk(part, home, found, seen)
    if not isinstance(value, FunctionType) or value in seen:
        return
    seen.add(value)
    scope = value.__globals__
    found.update({form: FORMS[form].wording for form in _forms(value)})
    for code in _codes(value.__code__):
        for name in code.co_names:
            used = scope.get(name)
            if isinstance(used, Wording):
                found[name.strip("_").lower()] = used
            elif isinstance(used, FunctionType | type) and used.__module__.startswith((home, "consilience.learn")) and used not in seen:
                _walk(used, home, found, seen)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)


def _forms(function: FunctionType) -> set[str]:
    """The forms that a function puts requests in: the second arguments of its calls of `put`."""
    if not any(function.__globals__.get(name) is put for code in _codes(function.__code__) for name in code.co_names):
        return set()
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return set()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return {form.value for call in calls if function.__globals__.get(call.func.id) is put  # type: ignore[attr-defined]
            for form in call.args[1:2] if isinstance(form, ast.Constant) and form.value in FORMS}


def chosen(cls: type, own: Mapping[str, str | Wording], who: str) -> dict[str, Wording]:
    """The user's wordings, checked: known names, and no fields but those of the default. A plain text keeps the default's
    item. Raises ConfigError."""
    known, made = wordings_of(cls), {}
    for name, told in own.items():
        if name not in known:
            raise ConfigError(f"{who} has no prompt {name!r}.{did_you_mean(str(name), known) or ' It asks in the words of the request.'}")
        wording = Wording(told, known[name].item) if isinstance(told, str) else told
        if re.search("[\ud800-\udfff]", wording.text + wording.item):
            raise ConfigError(f"{who}: prompt {name} holds half of a character, which cannot be sent: {wording.text[:80]!r}")
        _check(f"{who}: prompt {name}", places(wording), places(known[name]))
        _check(f"{who}: item of prompt {name}", places(Wording(wording.item)), ITEM)
        made[name] = wording
    return made


def _check(what: str, used: frozenset[str], known: frozenset[str]) -> None:
    for name in sorted(used - known):
        raise ConfigError(f"{what} has no field {{{name}}}.{did_you_mean(name, known)}")


def is_list(wording: Wording) -> bool:
    """Whether a wording has another item than texts have that fill one place only."""
    return wording.item != Wording("").item


def spoken(cls: type, own: Mapping[str, Wording]) -> dict[str, Wording]:
    """The wordings in force for a method with these of the user's."""
    return {**wordings_of(cls), **own}


def spoken_digest(cls: type, own: Mapping[str, Wording]) -> str:
    """Digest of the wordings in force, for result files."""
    return digest({name: [w.text, w.item] for name, w in spoken(cls, own).items()})


@contextmanager
def speaking(cls: type, own: Mapping[str, Wording]) -> Iterator[None]:
    """Within this block the method's code speaks in these wordings; nested teams speak in theirs. Helpers of fitting speak as
    the method that made them."""
    before = in_force.get()
    if not cls.__module__.startswith("consilience.learn."):
        in_force.set({wording: (name, own.get(name, wording)) for name, wording in wordings_of(cls).items()})
    try:
        yield
    finally:
        in_force.set(before)
