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
from types import ModuleType
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from consilience.errors import ConfigError, did_you_mean
from consilience.method import COMMON, Count, Method, Share
from consilience.types import digest

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
            module = _of_file(place)
        else:
            module = importlib.import_module(place)
    except (ImportError, AttributeError, SyntaxError, NameError, TypeError, ValueError) as error:
        raise ConfigError(f"method {name!r} cannot be loaded: {error}") from error
    own = [key for key, value in vars(module).items() if _is_method(value) and value.__module__ == module.__name__]
    if not hasattr(module, attribute):
        raise ConfigError(f"method {name!r}: there is no {attribute!r} in {place}.{did_you_mean(attribute, own)}")
    cls = getattr(module, attribute)
    if not _is_method(cls):
        raise ConfigError(f"{name!r} is not a Method.{did_you_mean(attribute, own)}")
    if "__dataclass_fields__" not in vars(cls):
        raise ConfigError(f"{name!r} is no dataclass: put @dataclass(frozen=True) above it")
    return cls  # type: ignore[no-any-return]


def _of_file(place: str) -> ModuleType:
    """The module in a file, under a name that no other file's has. Raises ConfigError where there is none."""
    path = Path(place).resolve()
    spec = importlib.util.spec_from_file_location(f"consilience_own_{path.stem}_{digest(str(path))[:8]}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise ConfigError(f"there is no file {place}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _is_method(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Method)


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
    written: dict[str, tuple[str, str]] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Method):
            written |= _attributes(base)
    told = {f.name: written.get(f.name, (_name(f.type), "")) for f in fields(cls)}
    return [Option(f.name, _type(told[f.name][0]), "required" if f.default is MISSING and f.default_factory is MISSING
                   else repr(f.default if f.default is not MISSING else f.default_factory()), told[f.name][1])
            for f in fields(cls) if f.name != "learned"]


def _name(hint: Any) -> str:
    """The name of a type whose source is not to be had, as in a notebook."""
    own = {Count: "Count", Share: "Share"}
    return hint if isinstance(hint, str) else own.get(hint) or getattr(hint, "__name__", str(hint))


_SAID = {"Count": "int >= 1", "Share": "float, 0 to 1", "Prompts": "texts by name"}
"""How types of our own are said to users."""


def _type(hint: str) -> str:
    """A type as users read it: `Literal['wins', 'margins']` is `wins | margins`."""
    hint = re.sub(r"Literal\[(.*?)\]", lambda found: found[1].replace("'", "").replace('"', "").replace(", ", " | "), hint)
    return re.sub(r"\w+", lambda found: _SAID.get(found[0], found[0]), hint)


def _attributes(cls: type) -> dict[str, tuple[str, str]]:
    """The annotated attributes of a class as they are written: the type, and the docstring under it."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    found, last = {}, ""
    for node in getattr(body, "body", []):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
            found[last] = (ast.unparse(node.annotation), "")
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last:
            found[last], last = (found[last][0], inspect.cleandoc(str(node.value.value))), ""
        else:
            last = ""
    return found
