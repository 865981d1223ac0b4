"""The registry of methods: found by name from YAML, command line and docs, with typed options."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from consilience.errors import ConfigError, did_you_mean
from consilience.method import COMMON, Method

M = TypeVar("M", bound=type[Method])

_METHODS: dict[str, type[Method]] = {}


def register(cls: M) -> M:
    """Class decorator: make a method known by its name. A name that is taken is an error."""
    other = _METHODS.get(cls.name)
    if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ConfigError(f"two methods are named {cls.name!r}: {other.__module__} and {cls.__module__}")
    _METHODS[cls.name] = cls
    return cls


@cache
def _load_all() -> None:
    import consilience.methods as package

    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)


def methods() -> Mapping[str, type[Method]]:
    """All methods by name, sorted by level, then name."""
    _load_all()
    order = sorted(_METHODS.values(), key=lambda c: (list(type(c.level)).index(c.level), c.name))
    return {cls.name: cls for cls in order}


def method(name: str, options: Mapping[str, Any] | None = None) -> Method:
    """A method by name with options. `./file.py:Class` and `package.module:Class` name methods of your own."""
    return build(find(name), options or {})


def find(name: str) -> type[Method]:
    """The class of a method by the same names."""
    cls = _own(name) if ":" in name else methods().get(name)
    if cls is None:
        raise ConfigError(f"unknown method {name!r}.{did_you_mean(name, methods())}")
    return cls


def build(cls: type[Method], options: Mapping[str, Any]) -> Method:
    """An instance with validated options: unknown keys and wrong types are errors that name the option."""
    known = {f.name for f in fields(cls) if f.name != "learned"}
    for key in options:
        if key not in known:
            raise ConfigError(f"{cls.name} has no option {key!r}.{did_you_mean(key, known)}")
    checked, faults = {}, []
    for key, value in options.items():
        try:
            checked[key] = _checker(cls, key).validate_python(value)
        except ValidationError as error:
            faults += [f"option {key}: {e['msg']} (got {e['input']!r})" for e in error.errors()]
    if faults:
        raise ConfigError(f"{cls.name}: {'; '.join(faults)}")
    try:
        return cls(**checked)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{cls.name}: {error}") from None


@cache
def _checker(cls: type[Method], option: str) -> TypeAdapter[Any]:
    """Checks values of one option; its type is read where the class that declares it was written."""
    owner = next(base for base in cls.__mro__ if option in base.__dict__.get("__annotations__", {}))
    hint = owner.__annotations__[option]
    return TypeAdapter(eval(hint, vars(sys.modules[owner.__module__])) if isinstance(hint, str) else hint)


def _own(name: str) -> type[Method]:
    place, _, attribute = name.rpartition(":")
    try:
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location(f"consilience_own_{Path(place).stem}", place)
            if spec is None or spec.loader is None or not Path(place).exists():
                raise ConfigError(f"method {name!r}: there is no file {place}")
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
        cls = getattr(module, attribute)
    except (ImportError, AttributeError, SyntaxError, NameError, TypeError, ValueError) as error:
        raise ConfigError(f"method {name!r} cannot be loaded: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, Method)):
        raise ConfigError(f"{name!r} is not a Method")
    return cls


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a method, for docs and help."""

    name: str
    type: str
    default: str
    doc: str


def options_of(cls: type[Method]) -> list[Option]:
    """The options of a method with the docstrings written under them; those that every method has are `common_options`."""
    return [option for option in _options(cls) if option.name not in COMMON]


def common_options() -> list[Option]:
    """The options that every method has."""
    return [option for option in _options(Method) if option.name in COMMON]


def _options(cls: type[Method]) -> list[Option]:
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Method):
            docs |= _attribute_docs(base)
    return [Option(f.name, _type(str(f.type)), "required" if f.default is MISSING and f.default_factory is MISSING
                   else repr(f.default if f.default is not MISSING else f.default_factory()), docs.get(f.name, ""))
            for f in fields(cls) if f.name != "learned"]


_SAID = {"Count": "int >= 1", "Share": "float, 0 to 1", "Prompts": "texts by name"}
"""How types of our own are said to users."""


def _type(hint: str) -> str:
    """A type as users read it: `Literal['wins', 'margins']` is `wins | margins`."""
    hint = re.sub(r"Literal\[(.*?)\]", lambda found: found[1].replace("'", "").replace('"', "").replace(", ", " | "), hint)
    return re.sub(r"\w+", lambda found: _SAID.get(found[0], found[0]), hint)


def _attribute_docs(cls: type) -> dict[str, str]:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, SyntaxError):
        return {}
    docs, last = {}, ""
    for node in getattr(body, "body", []):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            docs[last], last = inspect.cleandoc(str(node.value.value)), ""
        else:
            last = ""
    return docs
