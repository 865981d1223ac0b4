"""What is written down about a run besides its rows: the resolved experiment, fits, rankings, and what was paid."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from consilience import __version__
from consilience.bench.plan import LeftOut, Plan, Questions
from consilience.bench.results import EXPERIMENT, RESULTS, RUN, TRACES, write_text
from consilience.errors import ConfigError, StoreError
from consilience.gather import price_of
from consilience.model import Card, Model
from consilience.models.wrappers.metered import Meter
from consilience.prompt import wording_digest
from consilience.reading import Choice, YesNo
from consilience.saved import read_yaml
from consilience.team import Team
from consilience.wordings import wordings_of

LIBRARIES = ("numpy", "openai", "math-verify", "torch", "transformers", "peft", "scikit-learn", "safetensors")


@dataclass(slots=True)
class RunRecord:
    """Facts of a run that are not in its rows. `spent` adds up over all invocations on one folder; everything else is
    the same for every run of one experiment. `orders` are digests of the order of questions, which is part of the result of
    contestants with a memory."""

    best: dict[str, str] = field(default_factory=dict)
    dev_scores: dict[str, dict[str, float]] = field(default_factory=dict)
    fits: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    spent: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    orders: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, plan: Plan) -> RunRecord:
        """A fresh record that goes on counting what earlier invocations on this folder paid."""
        return cls(left_out=list(plan.left_out), spent=read_record(folder).spent)

    def rank(self, task: str, members: Sequence[Model], scores: Sequence[float]) -> None:
        """Note the members' dev scores and the best of them."""
        self.dev_scores[task] = {m.card.name: s for m, s in zip(members, scores, strict=True)}
        place = min(range(len(members)), key=lambda i: (-scores[i], price_of(members[i].card), i))
        self.best[task] = members[place].card.name

    def fit(self, task: str, method: str, found: Mapping[str, Any]) -> None:
        """Note what a fit cost."""
        self.fits.setdefault(task, {})[method] = {k: found[k] for k in ("cost", "calls", "tokens")}

    def spend(self, task: str, method: str, before: Meter, after: Meter) -> None:
        """Note what was paid between two states of the meter."""
        own = self.spent.setdefault(task, {}).setdefault(
            method, {"cost": 0.0, "unpriced": 0, "calls": 0, "prompt_tokens": 0, "completion_tokens": 0})
        own["cost"] += after.cost - before.cost
        own["unpriced"] += after.unpriced - before.unpriced
        for name in ("calls", "prompt_tokens", "completion_tokens"):
            own[name] += getattr(after.usage, name) - getattr(before.usage, name)

    def write(self, folder: Path) -> None:
        """Write `run.json`."""
        write_text(folder / RUN, json.dumps({**asdict(self), "left_out": [asdict(x) for x in self.left_out]}, indent=1))


def read_record(folder: Path) -> RunRecord:
    """The record in a folder; an empty one where there is none."""
    path = folder / RUN
    if not path.exists():
        return RunRecord()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return RunRecord(**{**data, "left_out": [LeftOut(**x) for x in data["left_out"]]})
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{path} is not the record of a run: {error}") from None


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, made where it is missing, with nobody else at work in it meanwhile. Raises ConfigError, StoreError.

    Two benchmarks in one folder would put its files in order under each other's hands. The system forgets the lock of a
    process that dies; where there are no locks, nothing is held.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StoreError(f"the results folder {folder} cannot be written: {error.strerror or error}") from None
    try:
        with suppress(OSError):
            _lock(place, folder)
        yield
    finally:
        os.close(place)


def _lock(place: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:     # Windows
        return
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(f"another benchmark is at work in {folder}: wait until it has ended, or name another folder with --out "
                          "(a store can be shared: --store)") from None


def claim(folder: Path, name: str) -> None:
    """ConfigError when a folder holds something else than what an earlier run of the experiment `name` left there."""
    kept, other = folder / EXPERIMENT, f"name another folder with --out, or move {folder} aside"
    if not kept.exists():
        if any((folder / file).exists() and (folder / file).stat().st_size for file in (RESULTS, TRACES)):
            raise ConfigError(f"{folder} holds a {RESULTS} or {TRACES} that no benchmark left; {other}")
        return
    data = read_yaml(kept)
    if not isinstance(data, Mapping) or "run" not in data:
        raise ConfigError(f"{folder} holds an {EXPERIMENT} that no benchmark left, and this one would write over it; {other}")
    if data.get("name") != name:
        raise ConfigError(f"{folder} holds the results of the experiment {data.get('name')!r}, this one is {name!r}; {other}")


def resolved_yaml(plan: Plan) -> str:
    """The experiment with everything that its results depend on: versions, prompts, members, tasks."""
    data = plan.experiment.resolved() | {
        "versions": {"consilience": __version__, "python": platform.python_version(), **_versions()},
        "prompts": wording_digest(),
        "members": [_member(m) for m in {r.name: r.contestant.model for r in plan.runs if r.contestant.kind == "member"}
                    .values() if m is not None],
        "run": {"tasks": [_task(task) for task in plan.tasks],
                "contestants": [{"name": c.name, "kind": c.kind, "level": c.level, "beside": c.beside,
                                 "what": _what(c.model), **_speech(c.model)} for c in {r.name: r.contestant for r in plan.runs}.values()]},
    }
    return yaml.safe_dump(_plain(data), sort_keys=False, allow_unicode=True)


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _member(model: Model) -> dict[str, Any]:
    card: Card = model.card
    return {"name": card.name, "spec": card.spec, "fingerprint": card.fingerprint,
            "parameters": card.parameters, "price": [card.price.prompt, card.price.completion] if card.price else None,
            "powers": sorted(card.powers), "recorded": card.recorded, "description": card.description,
            "wording": wording_digest(card)}


def _task(task: Questions) -> dict[str, Any]:
    return {"name": task.name, "dev": len(task.dev), "test": len(task.test), "guess": _guess(task),
            "formats": sorted({e.request.format.name for e in task.test if e.request.format is not None})}


def _guess(task: Questions) -> float:
    """The expected score of answering by chance: 1/options where there are options, else 0."""
    def one(form: Any) -> float:
        """Chance to guess one question."""
        if isinstance(form, YesNo):
            return 0.5
        return 1 / form.n if isinstance(form, Choice) else 0.0

    return sum(one(e.request.format) for e in task.test) / len(task.test)


def _what(model: Model | None) -> str:
    return model.card.description if isinstance(model, Team) else ""


def _speech(model: Model | None) -> dict[str, str]:
    """The digest of a team's own prompts."""
    return {"prompts": model.method.speech} if isinstance(model, Team) and wordings_of(type(model.method)) else {}


def _plain(value: Any) -> Any:
    """YAML values only: texts for paths and enumerations."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
