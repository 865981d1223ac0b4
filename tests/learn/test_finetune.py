"""Fine-tuning: what is learned, kept and refused."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl")

from consilience.errors import ConfigError, MissingExtraError
from consilience.learn.finetune import MANIFEST, Pair, Tuning, _row, _tokenizer, tuned
from consilience.models.local import LocalHost, LocalModel
from consilience.types import Request
from tests.models.local.tiny import checkpoint

PAIRS = [Pair(Request.of(word), letter) for word, letter in (("sun", "A"), ("moon", "B")) for _ in range(4)]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tuned"


@pytest.mark.parametrize("rank", [0, 8])
def test_a_random_model_learns_two_words(rank: int, cache: Path, tmp_path: Path) -> None:
    base = checkpoint(tmp_path / "base")
    folder = tuned(base, PAIRS, Tuning(epochs=25, rate=1e-2, batch=8, rank=rank))
    assert folder.parent == cache and {p.name for p in cache.iterdir()} == {folder.name}, "no drafts are left"
    assert not (folder / "run").exists() and json.loads((folder / MANIFEST).read_text())["pairs"] == 8
    model = LocalModel(folder, host=LocalHost())
    for word, right in (("sun", 0), ("moon", 1)):
        values = asyncio.run(model.next(Request.of(word), ["A", "B"])).value
        assert values[right] > values[1 - right] + 1


def test_equal_inputs_are_tuned_once(cache: Path, tmp_path: Path) -> None:
    base, short = checkpoint(tmp_path / "base"), Tuning(epochs=1, rank=0)
    first = tuned(base, PAIRS[:1], short)
    stamp = (first / "model.safetensors").stat().st_mtime_ns
    assert tuned(base, PAIRS[:1], short) == first and (first / "model.safetensors").stat().st_mtime_ns == stamp
    assert tuned(base, PAIRS[:1], Tuning(epochs=1, rank=0, seed=1)) != first


@pytest.mark.parametrize("template", [None, "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}<|assistant|>"])
def test_only_the_completion_counts_and_ids_are_those_of_asking(template: str | None, tmp_path: Path) -> None:
    base = checkpoint(tmp_path / "base", template=template)
    tokenizer = _tokenizer(base)
    row = _row(tokenizer, Pair(Request.of("sun"), "AB"), 100)
    assert [i for i in row["labels"] if i != -100] == tokenizer("AB", add_special_tokens=False)["input_ids"]
    model = LocalModel(base, host=LocalHost())
    asked = model.chat.after(model.chat.prompt(Request.of("sun"), model.card).text, "AB")
    assert (tuple(row["input_ids"]), row["labels"].count(-100)) == asked
    assert len(_row(tokenizer, Pair(Request.of("sun" * 50), "AB"), 10)["input_ids"]) == 10


def test_nothing_to_learn_and_a_missing_extra(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = checkpoint(tmp_path / "base")
    with pytest.raises(ConfigError, match="no pairs"):
        tuned(base, [], Tuning())
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(MissingExtraError, match=r"\[train\]"):
        tuned(base, PAIRS, Tuning())
    assert not cache.exists()
