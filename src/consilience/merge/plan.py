"""From a recipe to a plan: which tensors the result has, of what shape and type, and where each model keeps its part.

Everything is decided from headers, so that what cannot be merged is refused before a byte of weights is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consilience.errors import ConfigError
from consilience.merge.rules import Rule
from consilience.merge.source import FLOATS, HEAD, TYPES, Source
from consilience.types import digest

SAME = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "intermediate_size", "n_embd", "n_layer", "n_head")
"""Facts of config.json that must agree."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to merge and how. `weights` go with `models` (none: 1 each); `base` is needed by rules on task vectors.

    `dtype` (such as `bfloat16`) is that of the result; none: each tensor keeps that of the base or first model.
    """

    rule: Rule
    models: tuple[Path, ...]
    weights: tuple[float, ...] = ()
    base: Path | None = None
    dtype: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.models:
            raise ConfigError("a merge needs at least one model")
        if self.weights and len(self.weights) != len(self.models):
            raise ConfigError(f"{len(self.weights)} weights were given for {len(self.models)} models")
        if self.rule.needs_base and self.base is None:
            raise ConfigError(f"{type(self.rule).__name__} merges differences from a base: name the base checkpoint")

    @property
    def shares(self) -> tuple[float, ...]:
        """The weights, 1 each when none were given."""
        return self.weights or (1.0,) * len(self.models)

    @property
    def lead(self) -> Path:
        """The checkpoint whose configuration, tokenizer and integer tensors the result has."""
        return self.base or self.models[0]

    def digest(self) -> str:
        """What the result depends on: rule, options and the contents of all inputs, not their places."""
        inputs = [Source(path).hashes() for path in self.models]
        return digest([repr(self.rule), inputs, list(self.shares), Source(self.base).hashes() if self.base else None,
                       Source(self.lead).hashes(), self.dtype, self.seed])


@dataclass(frozen=True, slots=True)
class Step:
    """One tensor of the result. `lead` is its name in the lead and `parts[i]` in model i, None where one lacks it."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    copied: bool
    lead: str | None
    parts: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in the lead's shard order; `untie`: the result has a head of its own although the lead has none."""

    steps: tuple[Step, ...]
    untie: bool


@contextmanager
def sources(recipe: Recipe) -> Iterator[tuple[Source, list[Source]]]:
    """The lead and the models of a recipe, opened."""
    lead, models = Source(recipe.lead), [Source(path) for path in recipe.models]
    try:
        yield lead, models
    finally:
        for source in (lead, *models):
            source.close()


def plan(recipe: Recipe, lead: Source, models: Sequence[Source]) -> Plan:
    """The plan of a merge. Raises ConfigError for checkpoints that are not of one architecture."""
    for model in models:
        differing = [k for k in SAME if model.config.get(k) != lead.config.get(k)]
        if differing:
            raise ConfigError(f"{model.path} and {lead.path} are not of one architecture: {differing[0]} is "
                              f"{model.config.get(differing[0])} and {lead.config.get(differing[0])}")
    everyone = [lead, *models]
    tied = [s.tied for s in everyone]
    names = [n for n in lead.entries if not (n == HEAD and all(tied))]
    untie = any(tied) and not all(tied)
    if untie and HEAD not in names:
        names.append(HEAD)
    known = set(names) | {HEAD}
    for model in models:
        if strange := [n for n in model.entries if n not in known]:
            raise ConfigError(f"{model.path} has the tensor {strange[0]!r}, which {lead.path} does not have")
    return Plan(tuple(_step(name, recipe, lead, models) for name in names), untie)


def _step(name: str, recipe: Recipe, lead: Source, models: Sequence[Source]) -> Step:
    own = lead.find(name) or next(found for m in models if (found := m.find(name)))
    holder = lead if lead.find(name) else next(m for m in models if m.find(name))
    entry = holder.entries[own]
    if entry.dtype not in TYPES:
        raise ConfigError(f"{name} in {holder.path} is of type {entry.dtype}: quantized checkpoints cannot be merged")
    copied = entry.dtype not in FLOATS or name.endswith("rotary_emb.inv_freq")
    parts = tuple(m.find(name) for m in models)
    for model, part in zip(models, parts, strict=True):
        if part is not None and not copied and model.entries[part].shape != entry.shape:
            _admit_rows(name, entry.shape, lead, model, model.entries[part].shape)
    return Step(name, entry.shape, recipe.dtype or FLOATS.get(entry.dtype, ""), copied, lead.find(name), parts)


def _admit_rows(name: str, shape: tuple[int, ...], lead: Source, model: Source, other: tuple[int, ...]) -> None:
    """Embeddings may differ in rows that no tokenizer uses; every other difference of shape is an error."""
    rows = min(shape[0], other[0]) if shape and other else 0
    used = [s.used_rows for s in (lead, model)]
    padding = all(u is not None and u <= rows for u in used)
    if shape[1:] != other[1:] or not (name == HEAD or name == lead.embedding()) or not padding:
        raise ConfigError(f"{name} has the shape {list(other)} in {model.path} and {list(shape)} in {lead.path}; only "
                          f"rows of embeddings that no tokenizer uses may differ (used: {used})")
