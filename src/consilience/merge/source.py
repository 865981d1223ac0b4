"""One checkpoint folder, read lazily: headers first, tensors (or some of their rows) when asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from consilience.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

INDEX = "model.safetensors.index.json"
"""Which part holds which weights, where there are several."""
HEAD = "lm_head.weight"
FLOATS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Types that are merged, with their names in torch."""
TYPES = {**FLOATS, "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"}
"""All types that are read; integers are copied from the lead."""
EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight")


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor lies and what it is."""

    file: Path
    shape: tuple[int, ...]
    dtype: str
    start: int
    size: int


@dataclass
class Source:
    """A checkpoint in safetensors. Raises ConfigError when the folder holds none.

    Tensors are read into memory of their own, not mapped, so that what has been dropped is gone.
    """

    path: Path
    files: ExitStack = field(default_factory=ExitStack)
    opened: dict[Path, BinaryIO] = field(default_factory=dict)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """`config.json`."""
        return json_in(self.path / "config.json")

    @cached_property
    def shards(self) -> list[Path]:
        """The safetensors files in index order."""
        index = self.path / INDEX
        if index.exists():
            found = sorted({self.path / name for name in json_in(index).get("weight_map", {}).values()})
            if not found or (lost := [file.name for file in found if not file.exists()]):
                raise ConfigError(f"{index} names {f'{lost[0]}, which is not there' if found else 'no weights'}")
            return found
        found = sorted(self.path.glob("*.safetensors"))
        if not found:
            raise ConfigError(f"{self.path} has no .safetensors weights; convert the checkpoint "
                              "(model.save_pretrained(..., safe_serialization=True))")
        return found

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """All tensors by name, in shard order, from the headers alone."""
        found: dict[str, Entry] = {}
        for file in self.shards:
            facts, data = header(file)
            for name, fact in facts.items():
                if name != "__metadata__":
                    first, last = fact["data_offsets"]
                    found[name] = Entry(file, tuple(fact["shape"]), fact["dtype"], data + first, last - first)
        return found

    @property
    def tied(self) -> bool:
        """Whether input and output embeddings are one tensor."""
        return bool(self.config.get("tie_word_embeddings", False))

    def embedding(self) -> str | None:
        """Name of the input embedding."""
        return next((n for n in self.entries if n.endswith(EMBEDDINGS)), None)

    def find(self, name: str) -> str | None:
        """The tensor that plays the part of `name`: a tied head is the input embedding."""
        if name in self.entries:
            return name
        return self.embedding() if name == HEAD and self.tied else None

    def read(self, name: str, rows: slice | None = None) -> Tensor:
        """A tensor, or the rows `start:stop` of it, as it is stored."""
        import torch

        entry = self.entries[name]
        if entry.file not in self.opened:
            self.opened[entry.file] = self.files.enter_context(entry.file.open("rb"))
        per = entry.size // entry.shape[0] if entry.shape and entry.shape[0] else 0
        first, count = (0, entry.size) if rows is None else (rows.start * per, (rows.stop - rows.start) * per)
        shape = entry.shape if rows is None else (rows.stop - rows.start, *entry.shape[1:])
        raw = bytearray(count)
        self.opened[entry.file].seek(entry.start + first)
        if self.opened[entry.file].readinto(raw) < count:  # type: ignore[attr-defined]
            raise ConfigError(f"{entry.file} was cut short: {name} is not whole")
        dtype = getattr(torch, TYPES[entry.dtype])
        return torch.frombuffer(raw, dtype=dtype).reshape(shape) if count else torch.empty(shape, dtype=dtype)

    def close(self) -> None:
        """Close the files."""
        self.opened.clear()
        self.files.close()

    @cached_property
    def used_rows(self) -> int | None:
        """Ids that the tokenizer uses (largest + 1), or None when that cannot be told."""
        file = self.path / "tokenizer.json"
        if not file.exists():
            return None
        content = json_in(file)
        vocabulary = content.get("model", {}).get("vocab", {})
        ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else [len(vocabulary) - 1]
        return 1 + max([*ids, *(t["id"] for t in content.get("added_tokens", []))], default=-1)

    def hashes(self) -> dict[str, str]:
        """SHA-256 of every weight file and of the configuration."""
        return {f.name: _sha256(f, f.stat().st_size, f.stat().st_mtime_ns) for f in [self.path / "config.json", *self.shards]}


def header(file: Path) -> tuple[dict[str, Any], int]:
    """The JSON header of a safetensors file (8 bytes of length, then JSON), and where its data begin. ConfigError for others."""
    try:
        with file.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            raw = stream.read(size) if size < file.stat().st_size else b""
        if raw.startswith(b"{"):
            return dict(json.loads(raw)), 8 + size
    except (OSError, RecursionError, ValueError) as error:
        raise ConfigError(f"{file} is no readable safetensors file: {error}") from None
    raise ConfigError(f"{file} is no readable safetensors file, or it was cut short")


def json_in(file: Path) -> dict[str, Any]:
    """The JSON object in a checkpoint's file. ConfigError where there is none."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file.parent} is no checkpoint: it has no {file.name}") from None
    except (OSError, RecursionError, ValueError) as error:
        raise ConfigError(f"cannot read {file}: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{file} must hold a JSON object")
    return found


@lru_cache(maxsize=256)
def _sha256(file: Path, size: int, changed: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
