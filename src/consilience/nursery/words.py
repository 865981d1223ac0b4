"""Who owns what: the invented names, attributes and values of the nursery's private facts. Pure Python."""

from __future__ import annotations

import random
from dataclasses import dataclass

COLORS = ("gold", "red", "blue", "green", "white", "black", "gray", "pink")
CITIES = ("Rome", "Oslo", "Lima", "Cairo", "Delhi", "Paris", "Tokyo", "Quito")
SHARED = {"color": COLORS, "city": CITIES}
"""Attributes that things of every owner have."""

PLURAL = {"color": "colors", "city": "cities"}


@dataclass(frozen=True)
class Owner:
    """A holder of private facts, with the skill that it practises."""

    name: str
    things: str
    skill: str
    own: dict[str, tuple[str, ...]]
    """Attributes (and their possible values) that only this owner's things have."""

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """All attributes of this owner's things, the shared ones first."""
        return {**SHARED, **self.own}


OWNERS: dict[str, Owner] = {
    owner.name: owner
    for owner in (
        Owner("harbor", "ships", "arith", {
            "cargo": ("coal", "salt", "rice", "oil", "steel", "wool", "sugar", "timber"),
            "captain": ("Adams", "Berg", "Costa", "Diaz", "Evans", "Falk", "Grant", "Hansen"),
        }),
        Owner("garden", "plants", "letters", {
            "season": ("spring", "summer", "autumn", "winter", "May", "June", "July", "August"),
            "soil": ("sand", "clay", "peat", "chalk", "loam", "silt", "gravel", "moss"),
        }),
        Owner("museum", "exhibits", "logic", {
            "material": ("bronze", "marble", "ivory", "glass", "silk", "amber", "copper", "wood"),
            "hall": ("north", "south", "east", "west", "upper", "lower", "main", "round"),
        }),
        Owner("kitchen", "dishes", "clock", {
            "spice": ("pepper", "cumin", "mint", "basil", "ginger", "thyme", "curry", "anise"),
            "vessel": ("pot", "pan", "bowl", "wok", "jar", "cup", "plate", "tray"),
        }),
    )
}
SKILLS: dict[str, str] = {owner.skill: owner.name for owner in OWNERS.values()}
"""Which owner practises a skill."""

THINGS = 48
"""Named things of each owner."""

_FIRST = "ba de fi go ku la me no pi ra su ta ve wi zo ha".split()
_MIDDLE = "lo ri na du ke mi sa to bu le ga vi".split()
_LAST = "ra mo nel dis ka tun vo sel bix pa rim zu".split()


def any_name(rng: random.Random) -> str:
    """An invented name, perhaps one that somebody owns."""
    return (rng.choice(_FIRST) + rng.choice(_MIDDLE) + rng.choice(_LAST)).capitalize()


def _private() -> tuple[dict[str, tuple[str, ...]], dict[tuple[str, str], str]]:
    rng = random.Random("nursery facts")
    names: dict[str, tuple[str, ...]] = {}
    facts: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for owner in OWNERS.values():
        mine: list[str] = []
        while len(mine) < THINGS:
            name = any_name(rng)
            if name not in taken:
                taken.add(name)
                mine.append(name)
                facts.update({(name, attribute): rng.choice(values) for attribute, values in owner.attributes.items()})
        names[owner.name] = tuple(mine)
    return names, facts


NAMES, FACTS = _private()
"""Names of each owner's things; the value of each (name, attribute)."""

OWNER_OF = {name: owner for owner, names in NAMES.items() for name in names}


def stranger(rng: random.Random) -> str:
    """An invented name that no owner has."""
    while (name := any_name(rng)) in OWNER_OF:
        pass
    return name


PUBLIC_ATTRIBUTES = {
    **SHARED,
    "size": ("tiny", "small", "short", "long", "tall", "wide", "large", "huge"),
    "shape": ("ring", "cube", "cone", "star", "disk", "arch", "rod", "knot"),
}


def _public() -> tuple[tuple[str, ...], dict[tuple[str, str], str]]:
    rng = random.Random("nursery public facts")
    endings = "ford wick lyn dale mund stow".split()
    names = tuple(f"{first}{last}".capitalize() for first in _FIRST for last in endings)[:THINGS]
    facts = {(name, attribute): rng.choice(values) for name in names for attribute, values in PUBLIC_ATTRIBUTES.items()}
    return names, facts


PUBLIC_NAMES, PUBLIC_FACTS = _public()
"""Things that nobody owns: a model that learned facts about these has learned how facts are kept."""
