"""Carrying out a plan: one tensor at a time, memory bound by the largest, into a folder that appears when it is whole."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilience.errors import ConfigError, MissingExtraError, StoreError
from consilience.merge.plan import Plan, Recipe, Step, plan, sources
from consilience.merge.source import INDEX, Source

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "merge.json"
"""Inputs with hashes, rule, weights and seed, beside the weights."""

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf")
"""Endings of files that hold weights."""


def cache_folder(kind: str = "merged") -> Path:
    """Where checkpoints of a kind are kept: `$CONSILIENCE_CACHE/merged`, else `~/.cache/consilience/merged`."""
    return Path(os.getenv("CONSILIENCE_CACHE") or Path.home() / ".cache" / "consilience") / kind


def merged(recipe: Recipe) -> Path:
    """The folder of a merge in the cache, made when it is not there yet."""
    folder = cache_folder() / recipe.digest()
    return folder if (folder / MANIFEST).exists() else merge(recipe, folder)


def merge(recipe: Recipe, target: Path, *, max_shard: int = 5 * 10**9, chunk: int = 1 << 26) -> Path:
    """Write the merged checkpoint to `target` and return it.

    Shards hold at most `max_shard` bytes; tensors of rules that work element by element are combined in chunks of
    `chunk` elements. The folder is written under another name and renamed at the end, so that a crash leaves nothing
    at `target`. Raises ConfigError for inputs that do not fit or a result that is not finite, StoreError when it
    cannot be written.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("local", "merging checkpoints") from error
    target = Path(target)
    with appearing(target) as draft, sources(recipe) as (lead, models):
        _write(recipe, plan(recipe, lead, models), lead, models, _Shards(draft, max_shard), chunk)
    return target


@contextmanager
def appearing(target: Path, manifest: str = MANIFEST) -> Iterator[Path]:
    """A folder to write a checkpoint in, which becomes `target` when the block ends well; of two writers the first wins.

    Raises StoreError when it cannot be written.
    """
    draft = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        yield draft
        draft.chmod(0o755)
        try:
            draft.rename(target)
        except OSError:
            if not (target / manifest).exists():
                raise
    except OSError as error:
        raise StoreError(f"cannot write a checkpoint to {target}: {error.strerror or error}") from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


@dataclass
class _Shards:
    """Collects tensors and writes them out, shard by shard."""

    folder: Path
    limit: int
    held: dict[str, Tensor] = field(default_factory=dict)
    size: int = 0
    total: int = 0
    written: list[list[str]] = field(default_factory=list)

    def add(self, name: str, tensor: Tensor) -> None:
        """Keep a tensor, writing what is held before it would grow too large."""
        size = tensor.numel() * tensor.element_size()
        if self.held and self.size + size > self.limit:
            self.flush()
        self.held[name] = tensor.contiguous()
        self.size += size
        self.total += size

    def flush(self) -> None:
        """Write one shard."""
        from safetensors.torch import save_file

        if self.held:
            save_file(self.held, self.folder / f"shard-{len(self.written)}.safetensors", metadata={"format": "pt"})
            self.written.append(list(self.held))
            self.held, self.size = {}, 0

    def finish(self) -> None:
        """Give the shards their names, and write the index when there are several."""
        self.flush()
        count = len(self.written)
        names = ["model.safetensors"] if count == 1 else [f"model-{i + 1:05}-of-{count:05}.safetensors" for i in range(count)]
        for i, name in enumerate(names):
            (self.folder / f"shard-{i}.safetensors").rename(self.folder / name)
        if count > 1:
            index = {"metadata": {"total_size": self.total},
                     "weight_map": {t: name for name, tensors in zip(names, self.written, strict=True) for t in tensors}}
            _json(self.folder / INDEX, index)


def _write(recipe: Recipe, planned: Plan, lead: Source, models: list[Source], shards: _Shards, chunk: int) -> None:
    import torch

    for step in planned.steps:
        made = _tensor(recipe, step, lead, models, chunk)
        if made.is_floating_point() and not torch.isfinite(made).all():
            raise ConfigError(f"the merge of {step.name} is not finite: an input holds NaN or infinity, or the result "
                              f"overflows {str(made.dtype).removeprefix('torch.')}")
        shards.add(step.name, made)
    shards.finish()
    for file in lead.path.iterdir():
        if file.is_file() and file.suffix not in WEIGHTS and file.name not in (INDEX, MANIFEST):
            shutil.copy2(file, shards.folder / file.name)
    if planned.untie or recipe.dtype:
        changes = {"tie_word_embeddings": False} if planned.untie else {}
        _json(shards.folder / "config.json",
              {**lead.config, **changes, **({"dtype": recipe.dtype} if recipe.dtype else {})})
    _json(shards.folder / MANIFEST, {
        "rule": type(recipe.rule).__name__, "options": asdict(recipe.rule), "weights": recipe.shares,  # type: ignore[call-overload]
        "seed": recipe.seed, "dtype": recipe.dtype, "lead": lead.hashes(), "models": [m.hashes() for m in models]})


def _tensor(recipe: Recipe, step: Step, lead: Source, models: list[Source], chunk: int) -> Tensor:
    """One tensor of the result in its final type, combined in chunks of rows where the rule allows it."""
    import torch

    if step.copied:
        return lead.read(step.name)
    dtype = getattr(torch, step.dtype)
    rows = step.shape[0] if step.shape else 0
    per = max(1, chunk // max(1, math.prod(step.shape[1:])))
    if recipe.rule.whole or rows <= per:
        return _rows(recipe, step, lead, models, None).to(dtype)
    made = torch.empty(step.shape, dtype=dtype)
    for start in range(0, rows, per):
        piece = slice(start, min(rows, start + per))
        made[piece] = _rows(recipe, step, lead, models, piece).to(dtype)
    return made


def _rows(recipe: Recipe, step: Step, lead: Source, models: list[Source], rows: slice | None) -> Tensor:
    """Some rows (None: all) of a tensor, combined in float32. Rows that a model lacks are the lead's."""
    import torch

    parts: list[Tensor | None] = []
    for model, name in zip(models, step.parts, strict=True):
        if name is None:
            parts.append(None)
        elif model.entries[name].shape == step.shape:
            parts.append(model.read(name, rows).float())
        else:
            own = lead.read(step.lead or name, rows).float()
            there = model.read(name)[rows or slice(None)].float()[:len(own)]
            parts.append(torch.cat([there, own[len(there):]]))
    base = lead.read(step.lead, rows).float() if recipe.base and step.lead else None
    if all(part is None for part in parts):
        return base if base is not None else lead.read(step.lead or step.name, rows).float()
    return recipe.rule.combine(step.name, parts, recipe.shares, base, recipe.seed)


def _json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
