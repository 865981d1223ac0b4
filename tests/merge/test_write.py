"""Merging checkpoints out of core: equal to memory, whole or not there, refused early."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from consilience.errors import ConfigError, StoreError
from consilience.merge.plan import Recipe
from consilience.merge.rules import Linear, TaskVectors
from consilience.merge.source import INDEX, Source
from consilience.merge.write import MANIFEST, merge, merged
from tests.models.local.tiny import checkpoint


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return [checkpoint(root / f"m{i}", seed=i) for i in range(3)]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {k: v for f in sorted(folder.glob("*.safetensors")) for k, v in load_file(f).items()}


@pytest.mark.parametrize("chunk", [100, 1 << 20])
@pytest.mark.parametrize("rule", [Linear(), TaskVectors(.5), TaskVectors(1.0, "magnitude", .3, True),
                                  TaskVectors(1.0, "random", .5)])
def test_streaming_equals_memory(folders: list[Path], tmp_path: Path, rule: Linear | TaskVectors, chunk: int) -> None:
    base = folders[0] if rule.needs_base else None
    models = folders[1:] if rule.needs_base else folders
    target = merge(Recipe(rule, tuple(models), base=base, seed=3), tmp_path / "out", max_shard=20_000, chunk=chunk)
    inputs, lead = [tensors(m) for m in models], tensors(folders[0])
    for name, made in tensors(target).items():
        expected = rule.combine(name, [i[name] for i in inputs], [1.0] * len(models), lead[name] if base else None, 3)
        assert torch.allclose(made, expected, atol=1e-6), name


def test_the_result_is_a_checkpoint_that_others_load(folders: list[Path], tmp_path: Path) -> None:
    target = merge(Recipe(Linear(), tuple(folders)), tmp_path / "out", max_shard=20_000)
    index = json.loads((target / INDEX).read_text())
    names = [n for f in set(index["weight_map"].values()) for n in load_file(target / f)]
    assert sorted(names) == sorted(index["weight_map"]) == sorted(Source(folders[0]).entries)
    assert index["metadata"]["total_size"] == sum(v.numel() * v.element_size() for v in tensors(target).values())
    ours = AutoModelForCausalLM.from_pretrained(target).state_dict()
    theirs = [AutoModelForCausalLM.from_pretrained(f).state_dict() for f in folders]
    for name, tensor in ours.items():
        assert torch.allclose(tensor, sum(t[name] for t in theirs) / 3, atol=1e-6), name
    manifest = json.loads((target / MANIFEST).read_text())
    assert manifest["rule"] == "Linear" and len(manifest["models"]) == 3
    assert (target / "tokenizer.json").read_bytes() == (folders[0] / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_merged_with_itself_is_itself(folders: list[Path], tmp_path: Path, dtype: torch.dtype) -> None:
    half = tmp_path / "half"
    model = AutoModelForCausalLM.from_pretrained(folders[0]).to(dtype)
    model.save_pretrained(half)
    for rule, base in ((Linear(), None), (TaskVectors(1 / 3), half)):
        out = merge(Recipe(rule, (half,) * 3, base=base), tmp_path / type(rule).__name__)
        for name, tensor in tensors(out).items():
            assert tensor.dtype == dtype and torch.equal(tensor, tensors(half)[name]), name


def test_tied_and_untied_heads(tmp_path: Path) -> None:
    tied = checkpoint(tmp_path / "tied", seed=1, tie_word_embeddings=True)
    untied = checkpoint(tmp_path / "untied", seed=2, tie_word_embeddings=False)
    both = merge(Recipe(Linear(), (tied, tied)), tmp_path / "both")
    assert "lm_head.weight" not in tensors(both) and json.loads((both / "config.json").read_text())["tie_word_embeddings"]
    for pair in ((tied, untied), (untied, tied)):
        mixed = merge(Recipe(Linear(), pair), tmp_path / f"mixed-{pair[0].name}")
        head = (tensors(tied)["model.embed_tokens.weight"] + tensors(untied)["lm_head.weight"]) / 2
        assert torch.allclose(tensors(mixed)["lm_head.weight"], head)
        assert json.loads((mixed / "config.json").read_text())["tie_word_embeddings"] is False
        loaded = AutoModelForCausalLM.from_pretrained(mixed)
        assert torch.allclose(loaded.lm_head.weight, head)


def test_padding_rows_may_differ_used_rows_may_not(folders: list[Path], tmp_path: Path) -> None:
    wide = tmp_path / "wide"
    model = AutoModelForCausalLM.from_pretrained(folders[1])
    model.resize_token_embeddings(272, mean_resizing=False)
    model.save_pretrained(wide)
    (wide / "tokenizer.json").write_bytes((folders[1] / "tokenizer.json").read_bytes())
    out = tensors(merge(Recipe(Linear(), (folders[0], wide)), tmp_path / "narrow"))
    rows = tensors(folders[0])["model.embed_tokens.weight"].shape[0]
    assert out["model.embed_tokens.weight"].shape[0] == rows
    broad = tensors(merge(Recipe(Linear(), (wide, folders[0])), tmp_path / "broad"))["model.embed_tokens.weight"]
    assert broad.shape[0] == 272 and torch.equal(broad[rows:], tensors(wide)["model.embed_tokens.weight"][rows:])
    content = json.loads((wide / "tokenizer.json").read_text())
    content["added_tokens"].append({**content["added_tokens"][0], "id": 270, "content": "<new>"})
    (wide / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="no tokenizer uses"):
        merge(Recipe(Linear(), (folders[0], wide)), tmp_path / "lost")


def test_what_does_not_fit_is_refused_and_leaves_nothing(folders: list[Path], tmp_path: Path) -> None:
    other = checkpoint(tmp_path / "other", hidden_size=64)
    with pytest.raises(ConfigError, match="not of one architecture: hidden_size"):
        merge(Recipe(Linear(), (folders[0], other)), tmp_path / "out")
    broken = checkpoint(tmp_path / "broken")
    content = tensors(broken)
    content["model.norm.weight"][0] = float("nan")
    save_file(content, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"model.norm.weight is not finite"):
        merge(Recipe(Linear(), (folders[0], broken)), tmp_path / "out")
    with pytest.raises(ConfigError, match="no config.json"):
        merge(Recipe(Linear(), (folders[0], tmp_path)), tmp_path / "out")
    content["extra.weight"] = torch.zeros(2)
    save_file(content, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="'extra.weight'"):
        merge(Recipe(Linear(), (folders[0], broken)), tmp_path / "out")
    (broken / "model.safetensors").write_bytes(b"\x00" * 4)
    with pytest.raises(ConfigError, match="cut short"):
        merge(Recipe(Linear(), (folders[0], broken)), tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "other"]


def test_sources_that_cannot_be_read_are_named(folders: list[Path], tmp_path: Path) -> None:
    """A fault of what is read is none of the place that is written to."""
    def refused(words: str, **files: bytes) -> None:
        broken = tmp_path / f"broken-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(folders[0], broken)
        for name, content in files.items():
            (broken / name.replace("__", ".")).write_bytes(content)
        with pytest.raises(ConfigError, match=words):
            merge(Recipe(Linear(), (folders[0], broken)), tmp_path / "out")
        assert not (tmp_path / "out").exists()

    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    refused("no readable safetensors file, or it was cut short", model__safetensors=pointer)
    refused("no readable safetensors file, or it was cut short", model__safetensors=b"")
    refused("no readable safetensors file: ", model__safetensors=(2).to_bytes(8, "little") + b"{,    ")
    index = "model__safetensors__index__json"
    refused("index.json names b.safetensors, which is not there", **{index: b'{"weight_map": {"a": "model.safetensors", "b": "b.safetensors"}}'})
    refused("index.json names no weights", **{index: b"{}"})
    refused("cannot read .*index.json", **{index: b"{"})
    refused("cannot read .*config.json", config__json=b"{")
    refused("config.json must hold a JSON object", config__json=b"[]")
    whole = (folders[0] / "model.safetensors").read_bytes()
    refused("model.safetensors was cut short: .* is not whole", model__safetensors=whole[:-8])


def test_a_folder_without_weights_and_quantized_ones(folders: list[Path], tmp_path: Path) -> None:
    bare = shutil.copytree(folders[0], tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="has no .safetensors weights; convert the checkpoint"):
        merge(Recipe(Linear(), (folders[0], bare)), tmp_path / "out")
    save_file({"model.norm.weight": torch.zeros(2, dtype=torch.float8_e4m3fn)}, bare / "model.safetensors")
    with pytest.raises(ConfigError, match="model.norm.weight in .*bare is of type F8_E4M3: quantized checkpoints cannot be merged"):
        merge(Recipe(Linear(), (bare, bare)), tmp_path / "out")
    (bare / "tokenizer.json").unlink()
    assert Source(bare).used_rows is None and Source(folders[0]).used_rows == 262


def test_integers_are_copied_and_missing_tensors_are_zero_vectors(folders: list[Path], tmp_path: Path) -> None:
    parts = []
    for i in range(2):
        folder = checkpoint(tmp_path / f"n{i}", seed=i)
        content = {**tensors(folder), "model.steps": torch.tensor([i + 5]), "model.extra.weight": torch.full((3,), i + 1.0)}
        if i:
            del content["model.extra.weight"]
        save_file(content, folder / "model.safetensors", metadata={"format": "pt"})
        parts.append(folder)
    out = tensors(merge(Recipe(TaskVectors(1.0), (parts[1],), base=parts[0]), tmp_path / "out"))
    assert out["model.steps"].item() == 5 and out["model.extra.weight"].tolist() == [1, 1, 1]
    assert torch.allclose(out["model.norm.weight"], tensors(parts[1])["model.norm.weight"])


def test_the_cache_is_keyed_by_content(folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path))
    first = merged(Recipe(Linear(), tuple(folders)))
    stamp = (first / MANIFEST).stat().st_mtime_ns
    assert merged(Recipe(Linear(), tuple(folders))) == first and (first / MANIFEST).stat().st_mtime_ns == stamp
    assert merged(Recipe(Linear(), tuple(folders), (1, 1, 2))) != first
    assert merged(Recipe(Linear(False), tuple(folders))) != first
    assert not [p for p in first.parent.iterdir() if p.name.startswith(".")]


def test_a_place_that_cannot_be_written_is_a_store_error(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        merge(Recipe(Linear(), tuple(folders)), tmp_path / "file" / "out")


def test_recipes_are_checked() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        Recipe(Linear(), ())
    with pytest.raises(ConfigError, match="2 weights"):
        Recipe(Linear(), (Path("a"),), (1, 2))
    with pytest.raises(ConfigError, match="base"):
        Recipe(TaskVectors(), (Path("a"),))


MEASURE = """
import sys
from pathlib import Path
from consilience.merge.plan import Recipe
from consilience.merge.rules import Linear
from consilience.merge.write import merge
import safetensors.torch, torch

def peak():
    return next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

root = Path(sys.argv[1])
merge(Recipe(Linear(), (root / "tiny",) * 3), root / "warm")
before = peak()
merge(Recipe(Linear(), (root / "m0", root / "m1", root / "m2")), root / "out", max_shard=8 << 20, chunk=1 << 18)
print(peak() - before)
"""


def test_memory_is_bound_by_shard_and_chunk_not_by_the_model(tmp_path: Path) -> None:
    for name, layers in (("tiny", 1), ("m0", 20), ("m1", 20), ("m2", 20)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        save_file({f"layer.{k}.weight": torch.full((1024, 1024), float(k)) for k in range(layers)},
                  tmp_path / name / "model.safetensors")
    done = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True)
    grown = int(done.stdout)
    assert grown < 48, f"{grown} MB for three models of 80 MB: 5 chunks of 1 MB, a shard of 8 MB held and written"
    assert len(tensors(tmp_path / "out")) == 20
