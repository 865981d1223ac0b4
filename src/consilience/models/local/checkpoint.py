"""A checkpoint on disk: a folder in Transformers format, or a PEFT adapter with its base. Nothing here needs torch."""

from __future__ import annotations

import hashlib
import math
import operator
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from consilience.errors import ConfigError, MissingExtraError, ModelError
from consilience.merge.source import INDEX, header, json_in
from consilience.types import digest

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_FACTS = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
          "tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja", "adapter_config.json")
_HUB_FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


@dataclass(frozen=True)
class Checkpoint:
    """Where the weights are and what they are. Equal by value, so that two models on one checkpoint share it."""

    path: Path
    base: Path | None = None
    """Folder of the base model when `path` is a PEFT adapter."""
    trust_remote_code: bool = False
    state: tuple[tuple[str, int, int], ...] = ()
    """Name, size and time of the configuration and of the weights as they were when it was opened: a folder that is written
    anew is another checkpoint."""

    def check(self) -> None:
        """ModelError when the files are no longer those that were opened."""
        if self.state != _state(self.path, self.base):
            raise ModelError(f"{self.path} was written anew since this model was made; make the model again")

    @property
    def root(self) -> Path:
        """The folder with config.json."""
        return self.base or self.path

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json of the model, the base's for an adapter."""
        return json_in(self.root / "config.json")

    @cached_property
    def adapter(self) -> dict[str, Any]:
        """adapter_config.json, empty for a whole checkpoint."""
        return json_in(self.path / "adapter_config.json") if self.base else {}

    @cached_property
    def text(self) -> dict[str, Any]:
        """config.json, where a model of texts and more has what it says of its texts on the same level."""
        return {**self.config, **(self.config.get("text_config") or {})}

    @property
    def verifier(self) -> bool:
        """Whether it rates texts (sequence classification with one label) instead of writing them."""
        if self.adapter:
            return self.adapter.get("task_type") == "SEQ_CLS"
        return any(a.endswith("ForSequenceClassification") for a in self.config.get("architectures") or [])

    @property
    def tokenizer(self) -> Path:
        """The folder with the tokenizer: the adapter's own where it has one."""
        own = any((self.path / name).exists() for name in ("tokenizer.json", "tokenizer.model", "vocab.json"))
        return self.path if own else self.root

    @property
    def weights(self) -> list[Path]:
        """The safetensors files."""
        folders = dict.fromkeys((self.root, self.path))
        return [f for folder in folders for f in sorted(folder.glob("*.safetensors"))]

    @cached_property
    def parameters(self) -> int:
        """How many numbers the files hold, the adapter's not counted (they are merged in)."""
        return sum(count_numbers(f) for f in sorted(self.root.glob("*.safetensors")))

    @property
    def stored_dtype(self) -> str:
        """The type that the checkpoint was saved in, such as `float32`."""
        named = (facts.get(key) for facts in (self.config, self.text) for key in ("dtype", "torch_dtype"))
        return str(next(filter(None, named), "float32"))

    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that shapes the answers: configuration, tokenizer, template, weights."""
        self.check()
        folders = dict.fromkeys((self.root, self.path))
        facts = [f for folder in folders for name in _FACTS if (f := folder / name).exists()]
        return digest([[f.name, file_digest(f)] for f in [*facts, *self.weights]])


def open_checkpoint(source: str | Path, *, base: str | Path | None = None, revision: str | None = None,
                    trust_remote_code: bool = False) -> Checkpoint:
    """The checkpoint of a folder or of a hub name (`org/name`); pickles and remote code are refused."""
    path = _folder(source, revision)
    below = _base_of(path, base) if (path / "adapter_config.json").exists() else None
    found = Checkpoint(path, below, trust_remote_code, _state(path, below))
    if not (found.root / "config.json").exists():
        raise ConfigError(f"{found.root} is no checkpoint: it has no config.json")
    for folder in dict.fromkeys((found.root, path)):
        _refuse_pickles(folder)
        _refuse_strays(folder)
    _refuse_remote_code(found)
    if found.verifier and not found.adapter and _labels(found.config) != 1:
        raise ConfigError(f"{path} classifies into {_labels(found.config)} labels; a verifier must have one (num_labels=1)")
    return found


def _labels(config: dict[str, Any]) -> int:
    told = config.get("num_labels")
    return told if isinstance(told, int) else len(config.get("id2label") or {0: "", 1: ""})


def _folder(source: str | Path, revision: str | None) -> Path:
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve()
    if isinstance(source, Path) or not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", str(source)):
        raise ConfigError(f"no checkpoint folder at {source}")
    return _download(str(source), revision)


def _download(name: str, revision: str | None) -> Path:
    """A snapshot from the hub, from its cache when it is there."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError("local", f"the checkpoint {name}") from error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(_HUB_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ConfigError(f"{name} is no folder here, and it could not be fetched from the hub: {error}") from error


def _base_of(path: Path, base: str | Path | None) -> Path:
    named = base or json_in(path / "adapter_config.json").get("base_model_name_or_path")
    if not named:
        raise ConfigError(f"the adapter {path} names no base model; give base=")
    for folder in (Path(named), path / named, path.parent / named):
        if (folder / "config.json").exists():
            return folder.resolve()
    try:
        return _folder(str(named), None)
    except ConfigError as error:
        raise ConfigError(f"the base model {str(named)!r} of the adapter {path} was not found; give base= ({error})") from error


def _refuse_pickles(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(f.name for pattern in PICKLES for f in folder.glob(pattern))
    if pickles:
        raise ConfigError(f"{folder} holds its weights as a pickle ({pickles[0]}), which can run any code when it is "
                          "loaded. Use a safetensors copy: model.save_pretrained writes one.")
    raise ConfigError(f"{folder} has no weights: no *.safetensors file")


def _refuse_strays(folder: Path) -> None:
    """An index of parts names safetensors files of its own folder, which are what the fingerprint covers."""
    index = folder / INDEX
    parts = optional_json(index).get("weight_map", {})
    if not isinstance(parts, dict) or not all(isinstance(part, str) for part in parts.values()):
        raise ConfigError(f"{index} must map the names of weights to files")
    for part in sorted(set(parts.values())):
        if Path(part).name != part or not part.endswith(".safetensors"):
            raise ConfigError(f"{index} names {part!r}, which is no safetensors file of this folder; the parts must lie beside it")
        if not (folder / part).exists():
            raise ConfigError(f"{index} names {part!r}, which is not there; fetch the whole checkpoint")


def _state(path: Path, base: Path | None) -> tuple[tuple[str, int, int], ...]:
    folders = dict.fromkeys(folder for folder in (base, path) if folder is not None)
    files = [f for folder in folders for f in (*folder.glob("*config.json"), *folder.glob("*.safetensors"))]
    return tuple((str(f), state.st_size, state.st_mtime_ns) for f in sorted(files) if (state := f.stat()))


def _refuse_remote_code(found: Checkpoint) -> None:
    if found.trust_remote_code:
        return
    for name in ("config.json", "tokenizer_config.json"):
        file = found.root / name
        remote = json_in(file).get("auto_map") if file.exists() else None
        if remote and not _native(str(found.config.get("model_type"))):
            raise ConfigError(f"{found.root} wants to run its own code ({name}: auto_map {sorted(remote)}). "
                              "If you trust its author, pass trust_remote_code=True.")


def _native(model_type: str) -> bool:
    try:
        from transformers import CONFIG_MAPPING
    except ImportError as error:
        raise MissingExtraError("local", "a local checkpoint") from error
    return model_type in CONFIG_MAPPING


def optional_json(file: Path) -> dict[str, Any]:
    """A JSON object, empty where there is no such file."""
    return json_in(file) if file.exists() else {}


def count_numbers(file: Path) -> int:
    """Numbers in a safetensors file, from its header alone."""
    try:
        shapes = [entry["shape"] for name, entry in header(file)[0].items() if name != "__metadata__"]
        return sum(math.prod(map(operator.index, shape)) for shape in shapes)
    except (LookupError, TypeError) as error:
        raise ConfigError(f"{file} is no readable safetensors file: {error}") from error


def file_digest(file: Path) -> str:
    """SHA-256 of a file; remembered as long as its size and time stay the same."""
    real = file.resolve()
    if file.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", real.name):
        return real.name            # the hub's cache names large files by this very digest
    stat = real.stat()
    return _file_digest(real, stat.st_size, stat.st_mtime_ns)


@cache
def _file_digest(file: Path, size: int, mtime: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
