"""Members by name: `nursery/arith`, `hf:org/name`, `openai:gpt-4o-mini`, `recorded:file.jsonl.gz#model`, teams.

Models come dressed alike: `Budgeted(Stored(Retried(Limited(endpoint))))`, local ones without limits and retries,
recorded ones as they are. Without a store they come without the outer two, for whoever has one to put on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilience.errors import ConfigError, did_you_mean
from consilience.model import Model, Price
from consilience.models.openai import Endpoint
from consilience.models.recorded import Recorded, Recording, recorded_models
from consilience.models.wrappers import Backoff, Budgeted, Limited, Limits, Retried, Stored
from consilience.prompt import FORMS
from consilience.registry import methods
from consilience.saved import from_dict, load
from consilience.store import Store
from consilience.types import Wording

if TYPE_CHECKING:
    from consilience.models.local import LocalHost

Spec = str | Mapping[str, Any]
"""One member: a text, or a mapping with the text under `model` and options beside it, or a team under `method`."""

KINDS = ("nursery", "hf:", "openai:", "recorded:")

_COMMON = frozenset({"model", "name", "price", "description"})
_OPTIONS: Mapping[str, frozenset[str]] = {
    "nursery": _COMMON,
    "hf:": _COMMON | {"context", "forms", "base", "thinking", "trust_remote_code"},
    "openai:": _COMMON | {"context", "forms", "dialect", "api", "without", "body", "key_env", "timeout",
                          "max_concurrency", "requests_per_minute", "tokens_per_minute", "attempts"},
    "recorded:": _COMMON | {"variant"},
}


_NUMBER = (int, float)
_KINDS_OF_VALUES = (
    (_NUMBER, ("timeout", "requests_per_minute", "tokens_per_minute"), "a number above 0"),
    (int, ("context", "max_concurrency", "attempts"), "a whole number of at least 1"), (Mapping, ("body", "forms"), "a mapping"),
    ((list, tuple), ("without",), "a list"), (str, ("name", "description", "dialect", "api", "key_env", "base", "variant"), "a text"))


def model(spec: Spec, *, store: Store | None = None, host: LocalHost | None = None,
          folder: str | Path = ".") -> Model:
    """The model that `spec` names. Relative paths start at `folder`. Raises ConfigError."""
    return Resolver(store, host, Path(folder)).model(spec)


def pool(spec: Spec | Sequence[Spec], *, store: Store | None = None, host: LocalHost | None = None,
         folder: str | Path = ".") -> list[Model]:
    """The models that a text, a mapping or a list of them names; `nursery`, `nursery:group` and a recorded file
    without `#model` are several. Members of one pool have different names, unless they are copies of one model."""
    return Resolver(store, host, Path(folder)).pool(spec)


@dataclass(frozen=True)
class Resolver:
    """Makes models; equal specs give the same object, so that its limits are shared."""

    store: Store | None = None
    host: LocalHost | None = None
    folder: Path = Path()
    made: dict[str, list[Model]] = field(default_factory=dict)

    def model(self, spec: Spec) -> Model:
        """Exactly one model."""
        found = self.models(spec)
        if len(found) != 1:
            names = ", ".join([m.card.name for m in found[:8]] + ["..."] * (len(found) > 8))
            raise ConfigError(f"{_show(spec)} names {len(found)} models ({names}); name one of them, or a team.yaml of them")
        return found[0]

    def pool(self, spec: Spec | Sequence[Spec]) -> list[Model]:
        """All models of a list of specs."""
        specs = [spec] if isinstance(spec, str | Mapping) else list(spec)
        found = [one for each in specs for one in self.models(each)]
        if not found:
            raise ConfigError("the pool is empty; name members such as 'nursery' or 'openai:gpt-4o-mini'")
        seen: dict[str, str] = {}
        for one in found:
            if seen.setdefault(one.card.name, one.card.fingerprint) != one.card.fingerprint:
                raise ConfigError(f"two different members of the pool are called {one.card.name!r}; give one another "
                                  f"name: {{model: ..., name: ...}}")
        return found

    def beside(self, spec: Spec) -> list[Model]:
        """Models that a pool wants shown beside its teams, though they play in none."""
        if not isinstance(spec, str) or not (spec == "nursery" or spec.startswith("nursery:")):
            return []
        from consilience.models.embedded import beside

        return [self.model(f"nursery/{one.name}") for one in beside(spec)]

    def models(self, spec: Spec) -> list[Model]:
        """The models of one spec, made once."""
        if isinstance(spec, str) and spec.lstrip().startswith("{"):
            spec = _mapping(spec)
        key = json.dumps(spec, sort_keys=True, default=str)
        if key not in self.made:
            self.made[key] = self._make(spec)
        return self.made[key]

    def _make(self, spec: Spec) -> list[Model]:
        if isinstance(spec, Mapping) and "method" in spec:
            return [self._nested(spec)]
        options = {"model": spec} if isinstance(spec, str) else dict(spec)
        text = options.get("model")
        if not isinstance(text, str):
            raise ConfigError(f"a member is a text, or a mapping with `model` or `method`; got {_show(spec)}")
        for kind, make in (("hf:", self._local), ("openai:", self._endpoint), ("recorded:", self._recorded)):
            if text.startswith(kind):
                return make(text.removeprefix(kind), _checked(kind, options), spec)
        if text == "nursery" or text.startswith(("nursery/", "nursery:")):
            return self._nursery(text, _checked("nursery", options), spec)
        return [self._team(text, options)]

    def _team(self, text: str, options: Mapping[str, Any]) -> Model:
        path = self.path(text)
        if (path / "team.yaml").exists() or (path.suffix in (".yaml", ".yml") and path.exists()):
            if len(options) > 1:
                raise ConfigError(f"{text} is a saved team; its options stand in its own file")
            return load(path, replace(self, folder=(path if path.is_dir() else path.parent), made={}).pool)
        if text in methods():
            raise ConfigError(f"{text} is a method, no member: a team of it is {{method: {text}, members: nursery}}, in a file "
                              "such as team.yaml or in place of a member")
        word = text.partition(":")[0]
        raise ConfigError(f"unknown member {text!r}: it is neither a saved team nor begins with {', '.join(KINDS)}."
                          f"{did_you_mean(word, [k.rstrip(':') for k in KINDS])}")

    def _nested(self, spec: Mapping[str, Any]) -> Model:
        def plain(entry: Any) -> Any:
            """Members with options as texts, which is how a team's file names them."""
            if isinstance(entry, list):
                return [plain(one) for one in entry]
            return json.dumps(entry) if isinstance(entry, Mapping) else entry

        whole: Mapping[str, Any] = {"members": [], "roles": {}, **spec}
        roles = whole["roles"] or {}
        roles = {role: plain(entry) for role, entry in roles.items()} if isinstance(roles, Mapping) else roles
        return from_dict({**whole, "members": plain(whole["members"]), "roles": roles}, self.pool, folder=self.folder)

    def _local(self, text: str, options: dict[str, Any], spec: Spec) -> list[Model]:
        from consilience.models.local import LocalModel

        path, revision = self.path(text), None
        if path.is_dir():
            source: str | Path = path
        elif text.startswith((".", "/", "~")):
            raise ConfigError(f"hf:{text}: there is no folder {path}")
        else:
            source, _, revision = text.partition("@")
        local = LocalModel(source, host=self.host, revision=revision or None, spec=_spec(spec, f"hf:{source}" + (
            f"@{revision}" if revision else "")), **options)
        return [self._dressed(local)]

    def _nursery(self, text: str, options: dict[str, Any], spec: Spec) -> list[Model]:
        from consilience.models.embedded import embedded

        chosen = embedded(text)
        if len(chosen) > 1 and options:
            raise ConfigError(f"{text} is several models; options go with one, such as nursery/{chosen[0].name}")
        return [self._dressed(one.model(self.host, options, _spec(spec, f"nursery/{one.name}"))) for one in chosen]

    def _endpoint(self, text: str, options: dict[str, Any], spec: Spec) -> list[Model]:
        name, url = _server(text)
        if not name or name.startswith("@"):
            raise ConfigError(f"openai:{text} names no model; name one, such as openai:gpt-4o-mini or openai:name@http://host:8000/v1")
        limits = {"concurrency": options.pop("max_concurrency", None),
                  "requests_per_minute": options.pop("requests_per_minute", None),
                  "tokens_per_minute": options.pop("tokens_per_minute", None)}
        backoff = Backoff(attempts=int(options.pop("attempts", Backoff().attempts)))
        endpoint = Endpoint(name, url, **options)
        if isinstance(spec, Mapping):
            endpoint.card = replace(endpoint.card, spec=_spec(spec, endpoint.card.spec))
        limits["concurrency"] = limits["concurrency"] or endpoint.wire.dialect.concurrency
        return [self._dressed(Retried(Limited(endpoint, Limits(**limits)), backoff))]

    def _recorded(self, text: str, options: dict[str, Any], spec: Spec) -> list[Model]:
        file, _, name = text.partition("#")
        path = self.path(file)
        if not name:
            if options:
                raise ConfigError(f"recorded:{text} is several models; options go with one: recorded:{file}#MODEL")
            return list(recorded_models(path))
        recording = Recording.load(path)
        variant = str(options.pop("variant", ""))
        if not variant and name not in {m for m, _ in recording.models} and "@" in name:
            name, _, variant = name.rpartition("@")
        made = Recorded(recording, name, variant, **options)
        if isinstance(spec, Mapping):
            made.card = replace(made.card, spec=_spec(spec, f"recorded:{path}#{name}"))
        return [made]

    def _dressed(self, made: Model) -> Model:
        return made if self.store is None else Budgeted(Stored(made, self.store))

    def path(self, text: str) -> Path:
        """A path of the spec, from the folder where the spec stands."""
        return (self.folder / Path(text).expanduser()).resolve()


def _checked(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a member, validated; without `model`."""
    known = _OPTIONS[kind]
    for key in options:
        if key not in known:
            raise ConfigError(f"{options['model']}: unknown option {key!r}.{did_you_mean(key, known)}")
    made = {key: value for key, value in options.items() if key != "model"}
    for key, value in made.items():
        for kind, keys, name in _KINDS_OF_VALUES:
            if key in keys and value is not None and (not isinstance(value, kind) or isinstance(value, bool)
                                or isinstance(value, int | float) and not value > 0):
                raise ConfigError(f"{options['model']}: {key} must be {name}, got {value!r}")
    if "price" in made:
        made["price"] = _price(made["price"], str(options["model"]))
    if "forms" in made:
        made["forms"] = {name: _wording(name, wording, str(options["model"])) for name, wording in made["forms"].items()}
    return made


def _wording(form: str, value: Any, who: str) -> Wording:
    if form not in FORMS:
        raise ConfigError(f"{who}: forms has {form!r}, which is no prompt form.{did_you_mean(form, FORMS)}")
    if isinstance(value, Wording):
        return value
    told = {"text": value} if isinstance(value, str) else value
    if not isinstance(told, Mapping) or "text" not in told or not set(told) <= {"text", "item"}:
        raise ConfigError(f"{who}: forms.{form} must be a text with places such as {{question}}, or {{text: ..., item: ...}}, got {value!r}")
    return Wording(**told)


def _price(value: Any, who: str) -> Price:
    if isinstance(value, Price):
        return value
    try:
        prompt, completion = map(float, value)
        if not (0 <= prompt < float("inf") and 0 <= completion < float("inf")):
            raise ValueError
        return Price(prompt, completion)
    except (TypeError, ValueError):
        raise ConfigError(f"{who}: price is [dollars per million prompt tokens, per million completion tokens], "
                          f"got {value!r}") from None


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise ConfigError(f"{text[:80]!r} is not a member: {error}") from None


def _server(text: str) -> tuple[str, str | None]:
    """Model and base URL of `NAME@URL`; a name may hold an @. ConfigError for a server without `http://`."""
    if (whole := re.fullmatch(r"(.+?)@(\w+://.+)", text)) is not None:
        return whole[1], whole[2]
    bare = re.search(r"@((?:localhost|[\w.-]+:\d+)(?:/.*)?)$", text)
    if bare is not None:
        place = bare[1] if "/" in bare[1] else f"{bare[1]}/v1"
        raise ConfigError(f"openai:{text}: name the server by its whole URL, openai:{text[:bare.start()]}@http://{place}")
    return text, None


def _spec(spec: Spec, plain: str) -> str:
    """The text from which the same model can be made again, anywhere on this machine."""
    if isinstance(spec, str):
        return plain
    return json.dumps({**spec, "model": plain or spec["model"]}, default=_plain_value)


def _plain_value(value: Any) -> Any:
    if isinstance(value, Price):
        return [value.prompt, value.completion]
    if isinstance(value, Wording):
        return {"text": value.text, "item": value.item}
    return str(value)


def _show(spec: Spec) -> str:
    return repr(spec) if isinstance(spec, str) else json.dumps(spec, default=str)[:120]
