"""What ids mean: the bytes of text that each stands for in the middle of a text. Nothing here needs torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from consilience.errors import ConfigError, ModelError
from consilience.types import digest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Names of tokenizers that are what their tokenizer.json says and nothing else."""

_PROBE = " The naïve café's 12 x\n\n\tif (a != b) { 日本 🙂 }"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def tokenizer_of(folder: Path, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint's folder. One saved as a generic tokenizer is loaded as that: the automatic choice goes
    by the model's family, and may add the family's own tokens to it. ConfigError for one that cannot be loaded."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    told = folder / "tokenizer_config.json"
    try:
        named = json.loads(told.read_text("utf-8")).get("tokenizer_class") if told.exists() else None
        kind = PreTrainedTokenizerFast if named in GENERIC and (folder / "tokenizer.json").exists() else AutoTokenizer
        found: PreTrainedTokenizerBase = kind.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code)
    except Exception as error:      # the library raises bare ones, such as for a file that a newer version wrote
        raise ConfigError(f"the tokenizer of {folder} cannot be loaded: {error}") from error
    return found


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens of one tokenizer. Equal when every id stands for the same bytes."""

    pieces: tuple[bytes, ...]
    """By id; empty for special tokens and ids that do not exist."""
    special: frozenset[int] = frozenset()
    """Ids that are no text: marks of the template, the end of text, padding."""
    ends: frozenset[int] = frozenset()
    """Ids that end a text."""
    key: str = field(default="")

    def __post_init__(self) -> None:
        """The key is made from the pieces where none is given."""
        if not self.key:
            object.__setattr__(self, "key", digest([[p.hex() for p in self.pieces], sorted(self.special), sorted(self.ends)]))

    def __len__(self) -> int:
        return len(self.pieces)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def text(self, ids: Sequence[int]) -> bytes:
        """The bytes that ids stand for in the middle of a text."""
        return b"".join(self.pieces[i] for i in ids)

    @cached_property
    def opens_word(self) -> np.ndarray:
        """bool [vocabulary]: pieces that begin with white space."""
        return np.array([piece[:1].isspace() for piece in self.pieces])

    @cached_property
    def ids(self) -> dict[bytes, int]:
        """The (lowest) id of every piece of text."""
        found: dict[bytes, int] = {}
        for i, piece in enumerate(self.pieces):
            if piece and i not in self.special:
                found.setdefault(piece, i)
        return found

    def first(self, piece: bytes) -> int:
        """The id of a piece; of one that is not here, that of the first of the longest pieces that make it up, leading
        white space left out; -1 where there is none."""
        if piece in self.ids:
            return self.ids[piece]
        piece = piece.lstrip() or piece
        return next((self.ids[piece[:n]] for n in range(len(piece), 0, -1) if piece[:n] in self.ids), -1)

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, rows: int, ends: Iterable[int] = ()) -> Vocabulary:
        """The first `rows` ids of a tokenizer. Raises ModelError when its tokens are not pieces of bytes."""
        read = _reader(tokenizer)
        pieces = [b""] * rows
        added = {i: token for i, token in tokenizer.added_tokens_decoder.items() if i < rows}
        for token, i in tokenizer.get_vocab().items():
            if i < rows:
                pieces[i] = str(added[i].content).encode() if i in added else read(token)
        special = frozenset(i for i, token in added.items() if token.special) | frozenset(
            i for i in (*tokenizer.all_special_ids, *ends) if i < rows)
        made = cls(tuple(b"" if i in special else p for i, p in enumerate(pieces)), special, frozenset(ends))
        probe = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
        if made.text(probe).strip() != _PROBE.encode().strip():
            raise ModelError(f"the tokens of {type(tokenizer).__name__} are not pieces of text: {_PROBE!r} came back as "
                             f"{made.text(probe)!r}. Members of other vocabularies cannot read along; mix texts instead",
                             reason="refused")
        return made


def _reader(tokenizer: PreTrainedTokenizerBase) -> Any:
    """From a token as it is written in the vocabulary to its bytes."""
    inner = getattr(tokenizer, "backend_tokenizer", None)
    kinds = set(_kinds(json.loads(inner.to_str()).get("decoder"))) if inner is not None else set()
    if "ByteLevel" in kinds:
        letters = _letters()
        return lambda token: bytes(letters[c] for c in token) if all(c in letters for c in token) else token.encode()
    if kinds & {"Metaspace", "Replace", "ByteFallback"}:
        def sentence_piece(token: str) -> bytes:
            """Bytes of a token: `<0x..>` is one byte, the lower block a space."""
            found = _BYTE.fullmatch(token)
            return bytes([int(found[1], 16)]) if found else token.replace("\u2581", " ").encode()
        return sentence_piece
    return lambda token: str(token).encode()


def _kinds(decoder: Any) -> Iterator[str]:
    if decoder:
        yield decoder["type"]
        for part in decoder.get("decoders", ()):
            yield from _kinds(part)


@cache
def _letters() -> dict[str, int]:
    """The byte of each letter in which byte-level tokenizers write their tokens (GPT-2's table)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + n): b for n, b in enumerate(others)}
