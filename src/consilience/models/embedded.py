"""The embedded pool as models: the checkpoints and cards that `consilience.nursery` ships, on the local host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from consilience import nursery
from consilience.errors import ConfigError, did_you_mean
from consilience.model import Model, Price
from consilience.types import Wording

if TYPE_CHECKING:
    from consilience.models.local import LocalHost

CONTROL = "control"
"""The group that is shown beside the teams and plays in none."""


@dataclass(frozen=True, slots=True)
class Resident:
    """One member of the embedded pool: its folder, the folder of an adapter's base, and its card."""

    name: str
    folder: str
    base: str | None
    price: Price | None
    description: str
    forms: Mapping[str, Wording] = field(default_factory=dict)

    def model(self, host: LocalHost | None = None, options: Mapping[str, Any] | None = None, spec: str = "") -> Model:
        """The model on a local host; `options` may change name, price and description."""
        from consilience.models.local import LocalModel

        path = nursery.FOLDER / self.folder
        if not path.is_dir():
            raise ConfigError(f"nursery/{self.name}: its weights are not in {path}; they come with the package, and "
                              "`python -m consilience.nursery.recipe` trains them from nothing")
        facts: dict[str, Any] = {"name": self.name, "price": self.price, "description": self.description,
                                 "forms": dict(self.forms), **(options or {})}
        return LocalModel(path, host=host, base=nursery.FOLDER / self.base if self.base else None,
                          spec=spec or f"nursery/{self.name}", **facts)


@cache
def residents() -> Mapping[str, Resident]:
    """All members by name, in the pool's own order."""
    cards = _cards()
    forms = {form: Wording(**wording) for form, wording in cards["wordings"].items()}
    folders = {facts["name"]: facts["folder"] for facts in cards["members"]}
    return {facts["name"]: Resident(facts["name"], facts["folder"], folders.get(facts["base"]), Price(**facts["price"]),
                                    facts["description"], forms) for facts in cards["members"]}


def groups() -> Mapping[str, Sequence[str]]:
    """Names of members by group."""
    found: Mapping[str, Sequence[str]] = _cards()["groups"]
    return found


def beside(spec: str) -> list[Resident]:
    """The members that stand beside the teams of this pool; none for a single member."""
    if spec.startswith("nursery/"):
        return []
    playing = embedded(spec)
    return [r for r in embedded(f"nursery:{CONTROL}") if r not in playing]


def embedded(spec: str) -> list[Resident]:
    """The members of `nursery`, `nursery/member` or `nursery:group`. Raises ConfigError."""
    known = residents()
    if spec.startswith("nursery/"):
        name = spec.removeprefix("nursery/")
        if name not in known:
            raise ConfigError(f"the nursery has no member {name!r}.{did_you_mean(name, known)}")
        return [known[name]]
    group = spec.removeprefix("nursery").removeprefix(":") or _cards()["default"]
    if group not in groups():
        raise ConfigError(f"the nursery has no group {group!r}.{did_you_mean(group, groups())}")
    return [known[name] for name in groups()[group]]


def _cards() -> dict[str, Any]:
    try:
        return nursery.pool_cards()
    except OSError:
        raise ConfigError(f"the embedded pool is not there: {nursery.FOLDER / 'pool.json'} is missing; it comes with "
                          "the package, and `python -m consilience.nursery.recipe` makes it from nothing") from None
