"""Teams on disk: `team.yaml` (method, options, members, roles, standing), and what fitting learned beside it.

A folder holds `team.yaml`, `learned.json` and `learned.safetensors` (never a pickle); nested teams lie in sub-folders.
The same `team.yaml` may be written by hand, with `members` as plain specs: then there is nothing to check but itself.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from importlib.machinery import PathFinder
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from consilience import __version__
from consilience.errors import ConfigError, StoreError, TeamError, did_you_mean
from consilience.method import Learned, Method, Ordered
from consilience.model import Model
from consilience.registry import method as named_method
from consilience.registry import methods
from consilience.team import TAKEN, Team, ordered

FORMAT = 1
"""Version of the folder's layout; a folder of another version is refused."""

Resolve = Callable[[str], Sequence[Model]]
"""Makes models from a spec: one for `openai:gpt-4o-mini`, several for a pool such as `nursery`."""


class MemberFile(BaseModel):
    """A member in `team.yaml`: a spec with the fingerprint and price it had, or a nested team's folder."""

    model_config = ConfigDict(extra="forbid")

    spec: str = ""
    team: str = ""
    name: str = ""
    fingerprint: str = ""
    price: list[float] | None = None


class FittedFile(BaseModel):
    """What a fitted team's `team.yaml` says of its fitting: the digest of what was learned, and the options then."""

    model_config = ConfigDict(extra="forbid")

    learned: str
    options: dict[str, Any] = {}


class TeamFile(BaseModel):
    """The whole of `team.yaml`. Only `method` and `members` are needed in one written by hand."""

    model_config = ConfigDict(extra="forbid")

    method: str
    members: Entry | list[Entry]
    name: str = ""
    options: dict[str, Any] = {}
    roles: dict[str, Entry | list[Entry]] = {}
    standing: list[float] | None = None
    format: int = FORMAT
    consilience: str = ""
    fitted: FittedFile | None = None


def _spelled(entry: Any) -> Any:
    """Other ways to write an entry: `{model: spec, option: ...}`, and `{method: {option: ..., members: [...]}}`."""
    if not isinstance(entry, Mapping):
        return entry
    if "model" in entry:
        return json.dumps(dict(entry))
    if len(entry) != 1 or set(entry) & {*TeamFile.model_fields, *MemberFile.model_fields}:
        return entry
    [(method, told)] = entry.items()
    if not isinstance(told, Mapping):
        if isinstance(told, str):
            raise ConfigError(f"{entry!r} is no member: {one_text(method, told)}")
        return entry
    options = {"members": [], **told}
    own = {name: options.pop(key) for key, name in (("as", "name"), ("members", "members"), ("roles", "roles")) if key in options}
    return {"method": method, **own, "options": options}


def one_text(name: object, rest: str) -> str:
    """What is wrong with `hf: org/name`, which YAML reads as a mapping."""
    return f"a model is one text, without a space after the colon, such as '{name}:{rest}'"


Entry = Annotated[str | MemberFile | TeamFile, BeforeValidator(_spelled)]
"""A spec or a pool, a member with its facts, or a nested team written in place."""


def save(team: Model, folder: str | Path) -> Path:
    """Write a team to a folder and return the folder. Raises ConfigError for a member that no spec can bring back."""
    if not isinstance(team, Team):
        raise ConfigError(f"{team.card.name} is not a team, so there is nothing to save; its spec is {team.card.spec!r}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        "format": FORMAT, "consilience": __version__, "name": team.name, "method": method_spec(team.method),
        "options": plain_options(team.method),
        "members": [_member(m, folder, f"member-{i + 1}") for i, m in enumerate(team.members)],
        "roles": {role: [_member(m, folder, f"{role}-{i + 1}") for i, m in enumerate(models)]
                  for role, models in team.roles.items()},
        "standing": list(team.standing) if team.standing is not None else None,
    }
    if (learned := team.method.learned) is not None:
        write_learned(learned, folder)
        content["fitted"] = {"learned": learned.digest, "options": content["options"]}
    text = yaml.safe_dump({k: v for k, v in content.items() if v not in (None, {}, "")}, sort_keys=False,
                          allow_unicode=True)
    (folder / "team.yaml").write_text(text, encoding="utf-8")
    return folder


def _member(model: Model, folder: Path, place: str) -> dict[str, Any]:
    if isinstance(model, Team):
        save(model, folder / place)
        return {"team": place, "fingerprint": model.card.fingerprint}
    if not model.card.spec:
        raise ConfigError(f"member {model.card.name!r} cannot be saved: it was made in Python and has no spec "
                          "(such as hf:org/name) to make it from again")
    price = model.card.price
    entry = {"spec": model.card.spec, "name": model.card.name, "fingerprint": model.card.fingerprint}
    return entry | ({"price": [price.prompt, price.completion]} if price is not None else {})


def method_spec(method: Method) -> str:
    """The text that `registry.method` finds this method's class by: its name, `./file.py:Class` or `module:Class`."""
    cls = type(method)
    if methods().get(method.name) is cls:
        return method.name
    if importable(cls.__module__):
        return f"{cls.__module__}:{cls.__qualname__}"
    try:
        return f"{Path(inspect.getfile(cls)).resolve()}:{cls.__qualname__}"
    except (TypeError, OSError):
        raise ConfigError(f"method {method.name!r} was defined in a session, not in a file, so it cannot be saved") from None


def importable(module: str) -> bool:
    """Whether another process finds this module by its name; a script or a lone file is found by its path instead."""
    try:
        return module != "__main__" and PathFinder.find_spec(module.split(".")[0]) is not None
    except ValueError:
        return False


def plain_options(method: Method) -> dict[str, Any]:
    """The options as YAML writes them."""
    return TypeAdapter(dict[str, Any], config=ConfigDict(ser_json_inf_nan="constants")).dump_python(method.options(), mode="json")


def write_learned(learned: Learned, folder: Path) -> None:
    """`learned.json` and, where there are arrays, `learned.safetensors`."""
    from safetensors.numpy import save_file

    (folder / "learned.json").write_text(json.dumps(learned.values, ensure_ascii=False, indent=1), encoding="utf-8")
    if learned.arrays:
        save_file({k: v.copy(order="C") for k, v in learned.arrays.items()}, folder / "learned.safetensors")
    if (kept := read_learned(folder)) is None or kept.digest != learned.digest:
        raise ConfigError("what this method learned does not survive being written as JSON and safetensors "
                          "(are all dictionary keys texts, and all arrays numeric?)")


class _Found(dict[str, Any]):
    """Something that was learned, read from a file: what is missing is a ConfigError that names it, wherever it is used."""

    def __missing__(self, key: str) -> Any:
        raise ConfigError(f"what the team learned lacks {key!r} (it has {', '.join(map(repr, self)) or 'nothing'}): learned.json "
                          "or learned.safetensors has been changed; fit the team again")


def read_learned(folder: Path) -> Learned | None:
    """What `write_learned` wrote; None where nothing was learned."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    values, arrays = folder / "learned.json", folder / "learned.safetensors"
    if not values.exists():
        return None
    try:
        told = json.loads(values.read_text(encoding="utf-8"), object_hook=_Found)
        if not isinstance(told, Mapping):
            raise ConfigError(f"{values} holds {type(told).__name__}, not what a team learned; fit it again")
        return Learned(told, _Found(load_file(arrays) if arrays.exists() else {}))
    except (ValueError, RecursionError, SafetensorError) as error:
        raise ConfigError(f"what the team in {folder} learned cannot be read ({error}); fit it again") from None


def memories(model: Model) -> dict[str, Any]:
    """What the teams in a model have kept of earlier questions, as JSON values: `team` for itself, `team/member-2` for one
    inside it. Empty where no method has a memory."""
    return {place: team.memory for place, team in ordered(model).items()}


def recall(model: Model, told: Mapping[str, Any]) -> None:
    """Set what `memories` gave; teams that are not named forget everything. Raises ConfigError for what does not fit."""
    teams = ordered(model)
    if not teams:
        raise ConfigError(f"{model.card.name} keeps no memory; methods that do: {', '.join(_ordered_methods())}")
    for place in told:
        if place not in teams:
            raise ConfigError(f"there is no team with a memory at {place!r}.{did_you_mean(str(place), teams)}")
    for place, team in teams.items():
        team.memory = told.get(place)


def _ordered_methods() -> list[str]:
    return [name for name, cls in methods().items() if issubclass(cls, Ordered)]


def write_memory(told: Mapping[str, Any], file: str | Path) -> None:
    """Write what `memories` gave, for people to read, change and clear. Raises StoreError where that is impossible."""
    path = Path(os.path.realpath(file))     # a link goes on pointing at it
    fresh = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")    # others may write it at the same time
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", errors="replace")
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise StoreError(f"the memory {path} cannot be written: {error.strerror or error}") from None


def read_memory(file: str | Path) -> dict[str, Any]:
    """What `write_memory` wrote; empty where there is no file yet, or an empty one. Raises ConfigError."""
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        told = json.loads(text) if text.strip() else {}
        json.dumps(told, ensure_ascii=False).encode()       # escapes such as \\ud800 are no text that could be sent or kept
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"the memory {path} cannot be read: {error}") from None
    if not isinstance(told, dict):
        raise ConfigError(f"the memory {path} holds {type(told).__name__}, not the memories of teams by their place")
    return told


def load(place: str | Path, resolve: Resolve | None = None, *, changed: bool = False) -> Team:
    """The team of a folder or of a `team.yaml`.

    `resolve` makes models from specs (by default `consilience.pool`). What differs from the time of saving (members'
    fingerprints, prices, options, what was learned) is a ConfigError that names it; `changed=True` lets it pass.
    """
    path = Path(place)
    file = path / "team.yaml" if path.is_dir() else path
    loader = _Loader(resolve or _pool(file.parent))
    return loader.done(loader.at(file), file, changed)


_READING: ContextVar[tuple[Path, ...]] = ContextVar("files being read", default=())


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """ConfigError when a team's file is reached again while it is being read."""
    above, here = _READING.get(), file.resolve()
    if here in above:
        raise ConfigError(f"{file} is a member of itself: {' > '.join(path.name for path in (*above, here))}")
    token = _READING.set((*above, here))
    try:
        yield
    finally:
        _READING.reset(token)


def from_dict(content: Mapping[str, Any], resolve: Resolve | None = None, *, folder: str | Path = ".",
              changed: bool = False) -> Team:
    """The team that the values of a `team.yaml` describe; `folder` is where relative paths begin."""
    file = Path(folder) / "team.yaml"
    loader = _Loader(resolve or _pool(file.parent))
    return loader.done(loader.team(_checked(content, "the team"), file), file, changed)


def _pool(folder: Path) -> Resolve:
    from consilience import pool
    return partial(pool, folder=folder)


def _parse(file: Path) -> TeamFile:
    try:
        return _checked(read_yaml(file), str(file))
    except OSError as error:
        raise ConfigError(f"there is no team in {file}: {error.strerror}") from None


def read_yaml(file: Path) -> Any:
    """The values in a YAML file, environment variables filled in. Raises OSError, and ConfigError for anything else."""
    try:
        return filled(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


DEPTH, VALUES = 60, 100_000
"""How deep a file may nest, and how many values it may hold with its anchors written out."""


def filled(value: Any) -> Any:
    """YAML values with `${NAME}` and `${NAME:-default}` in texts replaced by environment variables, as in a shell.

    ConfigError for more than a file written by hand would hold, such as anchors that stand for millions of values.
    """
    return _filled(value, 0, count())


def _filled(value: Any, depth: int, seen: Iterator[int]) -> Any:
    if depth > DEPTH or next(seen) > VALUES:
        raise ConfigError(f"more than {DEPTH} levels or {VALUES:,} values, anchors written out; does one hold itself?")
    if isinstance(value, Mapping):
        return {key: _filled(one, depth + 1, seen) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, depth + 1, seen) for one in value]
    return _VARIABLE.sub(_variable, value) if isinstance(value, str) else value


def _variable(match: re.Match[str]) -> str:
    found = os.environ.get(match[1]) or match[2]
    if found is None:
        raise ConfigError(f"the environment variable {match[1]} is not set, and there is no default "
                          f"(${{{match[1]}:-default}})")
    return found


def _checked(raw: Any, what: str) -> TeamFile:
    raw = _spelled(raw)
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{what} must hold `method:` and `members:`, found {type(raw).__name__}")
    for key in raw:
        if key not in TeamFile.model_fields:
            raise ConfigError(f"{what}: unknown key {key!r}.{did_you_mean(str(key), TeamFile.model_fields)}")
    try:
        return TeamFile.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(sorted({f"{e['loc'][0] if e['loc'] else 'team'}: {e['msg']}" for e in error.errors()}))
        raise ConfigError(f"{what}: {faults}") from None


class _Loader:
    """Rebuilds a team and its nested teams, and collects everything that differs."""

    def __init__(self, resolve: Resolve) -> None:
        self.resolve = resolve
        self.differs: list[str] = []

    def done(self, team: Team, file: Path, changed: bool) -> Team:
        """The finished team; ConfigError when something differs that may not."""
        if self.differs and not changed:
            raise ConfigError(f"{file} is not the team that was saved: {'; '.join(self.differs)}. Fit it again, or allow "
                              "the change (changed=True, --allow-changes)")
        return team

    def at(self, path: Path) -> Team:
        """The team of a folder or file."""
        file = path / "team.yaml" if path.is_dir() else path
        with _reading(file):
            return self.team(_parse(file), file)

    def team(self, content: TeamFile, file: Path) -> Team:
        """The team that a parsed file describes."""
        if content.format != FORMAT:
            raise ConfigError(f"{file} has format {content.format}, written by consilience {content.consilience or '?'}; "
                              f"this is {__version__}, which reads format {FORMAT}")
        method, roles = self.method(content, file.parent), {r: self.models(entries, file) for r, entries in content.roles.items()}
        if strange := sorted(roles.keys() & TAKEN):
            raise TeamError(f"{file}: {method.name} has no role {strange[0]!r}.{did_you_mean(strange[0], [r.name for r in method.roles])}")
        return Team(method, self.models(content.members, file), name=content.name,
                    standing=content.standing, **roles)

    def method(self, content: TeamFile, folder: Path) -> Method:
        """The method with its options and what it learned."""
        method = named_method(_beside(content.method, folder), located(content.options, folder))
        if content.fitted is None:
            return method
        learned = read_learned(folder)
        if learned is None:
            raise ConfigError(f"{folder} says that {content.method} was fitted, but learned.json is missing; fit it again")
        if learned.digest != content.fitted.learned:
            self.differs.append("what it learned has changed since (learned.json, learned.safetensors)")
        for key in sorted({*content.fitted.options, *content.options}):
            was, now = content.fitted.options.get(key, "its default"), content.options.get(key, "its default")
            if was != now:
                self.differs.append(f"it was fitted with {key} = {was} and now has {key} = {now}")
        return replace(method, learned=learned)

    def models(self, entries: Entry | list[Entry], file: Path) -> list[Model]:
        """The models that `members` or a role names."""
        return [model for entry in (entries if isinstance(entries, list) else [entries])
                for model in self.entry(entry, file)]

    def entry(self, entry: Entry, file: Path) -> Sequence[Model]:
        """The models of one entry: several for a pool."""
        if isinstance(entry, TeamFile):
            return [self.team(entry, file)]
        if isinstance(entry, str):
            return self.resolve(entry)
        if not (entry.team or entry.spec):
            raise ConfigError(f"{file}: a member needs `spec` or `team`")
        models = [self.at(file.parent / entry.team)] if entry.team else self.resolve(entry.spec)
        if entry.fingerprint:
            self.differs.extend(_differences(entry, models))
        return models


def _beside(method: str, folder: Path) -> str:
    """`./file.py:Class` is looked up beside the team's file."""
    own = method.rpartition(":")[0]
    return f"{folder / own}:{method.rpartition(':')[2]}" if own.endswith(".py") else method


def located(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Options in which the name of a YAML file that lies in the folder is its path."""
    return {key: str((folder / value).resolve()) if isinstance(value, str) and value.endswith((".yaml", ".yml"))
            and (folder / value).is_file() else value for key, value in options.items()}


def _differences(entry: MemberFile, models: Sequence[Model]) -> list[str]:
    name = entry.name or entry.spec or entry.team
    if len(models) != 1:
        return [f"{name} was one member and is now {len(models)}"]
    card, found = models[0].card, []
    if card.fingerprint != entry.fingerprint:
        found.append(f"{name} had the fingerprint {entry.fingerprint[:12]} and now has {card.fingerprint[:12]}")
    price = [card.price.prompt, card.price.completion] if card.price is not None else None
    if not entry.team and price != entry.price:
        found.append(f"{name} cost {entry.price} and now costs {price} dollars per million tokens")
    return found
