"""The experiment: what a short YAML file says, as frozen values.

    pool: nursery                       # or a list: hf:org/name, openai:name@http://host/v1, recorded:file#model, a team
    tasks: [nursery]                    # names, files, hub:name
    methods: [majority-vote, {majority-vote: {draws: 3, as: vote of 3}}]     # or `all`
    roles: {verifier: nursery/verifier}
    limit: 200
    seed: 0
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from consilience.errors import ConfigError, did_you_mean
from consilience.method import kebab
from consilience.saved import located, one_text, read_yaml
from consilience.types import Sampling

DEV = 200
"""Largest number of dev questions used for fitting and choosing, unless the experiment says otherwise."""

TASK_OPTIONS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "task": (str, "a text"), "form": (str, "answer or steps"), "format": ((str, Mapping), "the name of an answer format"),
    "columns": (Mapping, "a mapping such as {question: prompt}"), "dev_share": ((int, float), "a number between 0 and 1"),
    "name": (str, "a text")}
"""Options of a task in an experiment, the types of their values, and what they are."""

_PATHS = ("recorded:", "")
_OWN = ("members", "roles", "as")


@dataclass(frozen=True)
class Entry:
    """A team as the experiment names it: a method with options, members and roles.

    Without `members` the whole pool plays. `saved` names a team's file or folder instead of a method.
    """

    method: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[Seat, ...] = ()
    roles: Mapping[str, tuple[Seat, ...]] = field(default_factory=dict)
    label: str = ""
    saved: Path | None = None

    @property
    def name(self) -> str:
        """How tables call it; a method of one's own goes by its class."""
        own = kebab(self.method.rpartition(":")[2])
        return self.label or own or (self.saved.stem if self.saved is not None else "")


Seat = str | Entry
"""A member of the pool by name, a model spec (a text, or `{model: spec, option: ...}` as JSON), or a nested team."""

Source = str | Mapping[str, Any]
"""A task by name, or `{task: name, option: ...}` with the options of `consilience.task`."""


@dataclass(frozen=True)
class Experiment:
    """What is compared with what, on which questions.

    `methods=None` stands for all that the pool can play. `sampling` holds only what differs from the task's own.
    `limit` and `dev` are numbers of questions per task. `window` is how many questions are worked on at once (None:
    all of them when models run in this process, else 64). `budget` is the most that a contestant may spend on one test
    question, in US dollars (None: all that it takes). `folder` is what relative paths are relative to.
    """

    name: str
    pool: tuple[Seat, ...]
    tasks: tuple[Source, ...]
    methods: tuple[Entry, ...] | None = None
    roles: Mapping[str, tuple[Seat, ...]] = field(default_factory=dict)
    controls: bool = True
    limit: int | None = None
    dev: int = DEV
    seed: int = 0
    sampling: Mapping[str, Any] = field(default_factory=dict)
    form: str | None = None
    window: int | None = None
    budget: float | None = None
    folder: Path = Path()

    def resolved(self) -> dict[str, Any]:
        """The experiment as YAML values, everything spelled out."""
        return {
            "name": self.name, "pool": [_seat_out(s) for s in self.pool], "tasks": [t if isinstance(t, str) else dict(t) for t in self.tasks],
            "methods": "all" if self.methods is None else [_entry_out(e) for e in self.methods],
            "roles": {k: [_seat_out(s) for s in v] for k, v in self.roles.items()}, "controls": self.controls,
            "limit": self.limit, "dev": self.dev, "seed": self.seed, "sampling": dict(self.sampling),
            "form": self.form, "window": self.window, "budget": self.budget,
        }


def load(path: str | Path, *, limit: int | None = None, methods: Sequence[str] | None = None,
         seed: int | None = None) -> Experiment:
    """The experiment in a file. Raises ConfigError naming the file, the key and what would do.

    `limit`, `seed` and `methods` (names or labels) replace or narrow what the file says.
    """
    path = Path(path)
    try:
        data = read_yaml(path)
    except OSError as error:
        raise ConfigError(f"the experiment {path} cannot be read: {error.strerror or error}") from None
    try:
        experiment = parse(data, folder=path.parent.resolve(), name=path.stem)
        experiment = replace(experiment, limit=limit if limit is not None else experiment.limit,
                             seed=seed if seed is not None else experiment.seed)
        return experiment if methods is None else _narrowed(experiment, methods)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _narrowed(experiment: Experiment, names: Sequence[str]) -> Experiment:
    if experiment.methods is None:
        return replace(experiment, methods=tuple(Entry(name) for name in names))
    known = {entry.name: entry for entry in experiment.methods}
    chosen = []
    for name in names:
        found = [e for e in experiment.methods if name in (e.name, e.method)]
        if not found:
            raise ConfigError(f"the experiment has no method {name!r}.{did_you_mean(name, known)}")
        chosen += [e for e in found if e not in chosen]
    return replace(experiment, methods=tuple(chosen))


_READ = ("versions", "prompts", "members", "run")
"""Keys that `bench` adds to the experiment it leaves beside the results; reading it back ignores them."""


def parse(data: Any, *, folder: Path = Path(), name: str = "experiment") -> Experiment:
    """The experiment in YAML values. Raises ConfigError."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"an experiment is a mapping with pool, tasks and methods, got {type(data).__name__}")
    known = {f.name for f in fields(Experiment)} - {"folder"}
    for key in data:
        if key not in known and key not in _READ:
            raise ConfigError(f"unknown key {key!r}.{did_you_mean(str(key), known)}")
    for key in ("pool", "tasks"):
        if not data.get(key):
            raise ConfigError(f"the experiment names no {key}")
    given = {key: _CHECKS[key](key, value, folder) for key, value in data.items()
             if key in _CHECKS and value is not None}
    return Experiment(**{"name": name, **given, "folder": folder})


def _tasks(key: str, value: Any, folder: Path) -> tuple[Source, ...]:
    return tuple(_task(key, v, folder) for v in (value if isinstance(value, list) else [value]))


def _task(key: str, value: Any, folder: Path) -> Source:
    if isinstance(value, str) and value:
        return _located(value, folder)
    if not isinstance(value, Mapping) or not isinstance(value.get("task"), str):
        raise ConfigError(f"{key}: expected a task's name, or {{task: name, option: ...}}, got {value!r}")
    for name in value:
        if name not in TASK_OPTIONS:
            raise ConfigError(f"{key}: unknown option {name!r}.{did_you_mean(str(name), TASK_OPTIONS)}")
        kinds, what = TASK_OPTIONS[name]
        if not isinstance(value[name], kinds) or isinstance(value[name], bool):
            raise ConfigError(f"{key}: {name} is {what}, got {value[name]!r}")
    return {**value, "task": _located(value["task"], folder)}


def _seats(key: str, value: Any, folder: Path) -> tuple[Seat, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(_seat(key, v, folder) for v in values)


def _seat(key: str, value: Any, folder: Path) -> Seat:
    if isinstance(value, str) and value:
        return _saved(value, folder) or value
    if isinstance(value, Mapping):
        return json.dumps(dict(value)) if "model" in value or "method" in value else _entry(key, value, folder)
    raise ConfigError(f"{key}: expected a model or a team, got {value!r}")


def _methods(key: str, value: Any, folder: Path) -> tuple[Entry, ...] | None:
    if value == "all":
        return None
    values = value if isinstance(value, list) else [value]
    return _labelled([_entry(key, v, folder) for v in values])


def _labelled(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Entries with distinct names: the options tell equal methods apart."""
    names = [e.name for e in entries]
    out = []
    for entry in entries:
        if not entry.label and names.count(entry.name) > 1:
            told = ", ".join(f"{k}={v}" for k, v in entry.options.items())
            entry = replace(entry, label=f"{entry.name} ({told})" if told else entry.name)
        out.append(entry)
    taken = [e.name for e in out]
    for name in taken:
        if taken.count(name) > 1:
            raise ConfigError(f"methods: two entries are called {name!r}; tell them apart with `as: ...`")
    return tuple(out)


def _entry(key: str, value: Any, folder: Path) -> Entry:
    if isinstance(value, str) and value:
        return _saved(value, folder) or Entry(_own_file(value, folder))
    if not isinstance(value, Mapping) or len(value) != 1:
        beside = isinstance(value, Mapping) and None in value.values()
        raise ConfigError(f"{key}: expected a name, or a name with options such as {{majority-vote: {{draws: 3}}}}, got {value!r}"
                          + (". Options stand below the name, further in" if beside else ""))
    [(name, options)] = value.items()
    options = {} if options is None else options
    if not isinstance(options, Mapping):
        hint = f". If it is a model: {one_text(name, options)}" if isinstance(options, str) else ""
        raise ConfigError(f"{key}: the options of {name!r} are a mapping, got {options!r}{hint}")
    saved = _saved(str(name), folder)
    members, roles, label = (options.get(own) for own in _OWN)
    made = Entry(
        "" if saved else _own_file(str(name), folder), located({k: v for k, v in options.items() if k not in _OWN}, folder),
        _seats(f"{key}.{name}.members", members, folder) if members else (),
        _roles(f"{key}.{name}.roles", roles or {}, folder), str(label or ""), saved.saved if saved else None)
    if saved and (made.options or made.members or made.roles):
        raise ConfigError(f"{key}: the saved team {name} brings its own options and members; only `as` can be given")
    return made


def _roles(key: str, value: Any, folder: Path) -> dict[str, tuple[Seat, ...]]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key}: expected a mapping from role to model, got {value!r}")
    return {str(k): _seats(f"{key}.{k}", v, folder) for k, v in value.items()}


def _saved(name: str, folder: Path) -> Entry | None:
    path = folder / name
    if path.name == "team.yaml" and path.is_file():
        path = path.parent
    is_team = path.is_file() and path.suffix in (".yaml", ".yml") or (path / "team.yaml").is_file()
    return Entry(saved=path.resolve()) if is_team else None


def _own_file(name: str, folder: Path) -> str:
    """`./file.py:Class` relative to the experiment."""
    place, colon, attribute = name.rpartition(":")
    if colon and place.endswith(".py") and (folder / place).exists():
        return f"{(folder / place).resolve()}:{attribute}"
    return name


def _located(spec: str, folder: Path) -> str:
    """A task's spec with its path made absolute where it names something beside the experiment."""
    prefix = next(p for p in _PATHS if spec.startswith(p))
    place, mark, rest = spec[len(prefix):].partition("#")
    if place and not Path(place).is_absolute() and (folder / place).exists() and place != "nursery":
        return f"{prefix}{(folder / place).resolve()}{mark}{rest}"
    return spec


def _whole(key: str, value: Any, folder: Path) -> int:
    least = 0 if key in ("dev", "seed") else 1
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{key}: expected a whole number of at least {least}, got {value!r}")
    return value


def _dollars(key: str, value: Any, folder: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigError(f"{key}: expected US dollars for one question, above 0, got {value!r}")
    return float(value)


def _flag(key: str, value: Any, folder: Path) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{key}: expected true or false, got {value!r}")
    return value


def _text(key: str, value: Any, folder: Path) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key}: expected a text, got {value!r}")
    return value


def _form(key: str, value: Any, folder: Path) -> str:
    if value not in ("answer", "steps"):
        raise ConfigError(f"{key}: expected answer or steps, got {value!r}")
    return str(value)


def _sampling(key: str, value: Any, folder: Path) -> dict[str, Any]:
    from pydantic import TypeAdapter, ValidationError

    known = {f.name for f in fields(Sampling)}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key}: expected a mapping such as {{temperature: 0.7}}, got {value!r}")
    for name in value:
        if name not in known:
            raise ConfigError(f"unknown key {key}.{name}.{did_you_mean(str(name), known)}")
    try:
        checked = TypeAdapter(Sampling).validate_python(dict(value))
    except ValidationError as error:
        fault = error.errors()[0]
        raise ConfigError(f"{key}.{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    return {name: getattr(checked, name) for name in value}


_CHECKS = {"name": _text, "pool": _seats, "tasks": _tasks, "methods": _methods, "roles": _roles, "controls": _flag,
           "limit": _whole, "dev": _whole, "seed": _whole, "sampling": _sampling, "form": _form, "window": _whole,
           "budget": _dollars}


def _seat_out(seat: Seat) -> Any:
    return seat if isinstance(seat, str) else _entry_out(seat)


def _entry_out(entry: Entry) -> Any:
    if entry.saved is not None:
        return {str(entry.saved): {"as": entry.label}} if entry.label else str(entry.saved)
    told: dict[str, Any] = dict(entry.options)
    if entry.members:
        told["members"] = [_seat_out(s) for s in entry.members]
    if entry.roles:
        told["roles"] = {k: [_seat_out(s) for s in v] for k, v in entry.roles.items()}
    if entry.label:
        told["as"] = entry.label
    return {entry.method: told} if told else entry.method
