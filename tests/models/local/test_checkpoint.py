"""Which folders are checkpoints."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest
import torch

from consilience.errors import ConfigError, ModelError
from consilience.models.local import LocalHost, LocalModel
from consilience.models.local.checkpoint import count_numbers, open_checkpoint
from tests.models.local.tiny import checkpoint, network


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("checkpoint") / "a")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "copy")


def test_numbers_are_counted_from_the_header(whole: Path) -> None:
    assert count_numbers(whole / "model.safetensors") == sum(p.numel() for p in network("llama").parameters())
    assert open_checkpoint(whole).parameters == open_checkpoint(str(whole)).parameters


def test_pickles_are_refused(copy: Path) -> None:
    weights = copy / "model.safetensors"
    torch.save({}, copy / "pytorch_model.bin")
    open_checkpoint(copy)                       # safetensors beside it are what is read
    weights.unlink()
    with pytest.raises(ConfigError, match=r"pickle \(pytorch_model.bin\).*safetensors"):
        LocalModel(copy, host=LocalHost(memory=1 << 30))
    (copy / "pytorch_model.bin").unlink()
    with pytest.raises(ConfigError, match="no weights"):
        open_checkpoint(copy)


def test_remote_code_is_refused_unless_it_is_trusted(copy: Path) -> None:
    facts = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**facts, "model_type": "novel", "auto_map": {"AutoConfig": "x.Y"}}))
    with pytest.raises(ConfigError, match=r"its own code.*AutoConfig.*trust_remote_code=True"):
        open_checkpoint(copy)
    assert open_checkpoint(copy, trust_remote_code=True).trust_remote_code
    (copy / "config.json").write_text(json.dumps({**facts, "auto_map": {"AutoConfig": "x.Y"}}))
    open_checkpoint(copy)                       # a family that the library knows itself


def test_what_is_no_checkpoint(tmp_path: Path, copy: Path) -> None:
    with pytest.raises(ConfigError, match="no checkpoint folder"):
        open_checkpoint(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no config\.json"):
        open_checkpoint(tmp_path / "empty")
    (copy / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"cannot read .*config\.json"):
        open_checkpoint(copy)
    (tmp_path / "huge.safetensors").write_bytes(b"\xff" * 7 + b"\x7f{}")
    with pytest.raises(ConfigError, match="no readable safetensors file"):
        count_numbers(tmp_path / "huge.safetensors")


@pytest.mark.parametrize("header", ["[1]", '{"a": {"dtype": "F32"}}', '{"a": {"shape": ["x"]}}', '{"a": {"shape": [2.5]}}',
                                    '{"a": 5}', '{"a":' * 100_000])
def test_headers_that_are_none(tmp_path: Path, header: str) -> None:
    (tmp_path / "odd.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode())
    with pytest.raises(ConfigError, match="no readable safetensors file"):
        count_numbers(tmp_path / "odd.safetensors")


@pytest.mark.parametrize(("part", "message"), [
    ("../elsewhere/model.safetensors", "no safetensors file of this folder"), ("/etc/model.safetensors", "no safetensors file of this folder"),
    ("pytorch_model.bin", "no safetensors file of this folder"), ("gone.safetensors", "which is not there"), (5, "must map")])
def test_an_index_names_files_of_its_folder(copy: Path, part: object, message: str) -> None:
    torch.save({}, copy / "pytorch_model.bin")
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model.safetensors"}}))
    open_checkpoint(copy)
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": part}}))
    with pytest.raises(ConfigError, match=message):
        open_checkpoint(copy)


def test_a_folder_that_is_written_anew_is_another_checkpoint(copy: Path) -> None:
    before = open_checkpoint(copy)
    mark = before.fingerprint
    assert before == open_checkpoint(copy)
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[:-4] + b"\x01\x02\x03\x04")
    after = open_checkpoint(copy)
    assert after != before and after.fingerprint != mark
    with pytest.raises(ModelError, match="written anew"):
        before.check()


def test_an_adapter_needs_its_base(whole: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes((whole / "model.safetensors").read_bytes())
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "../base"}))
    with pytest.raises(ConfigError, match=r"base model '../base'.*base="):
        open_checkpoint(adapter)
    assert open_checkpoint(adapter, base=whole).root == whole
    shutil.copytree(whole, tmp_path / "base")
    assert open_checkpoint(adapter).base == tmp_path / "base"


def test_a_classifier_with_several_labels_is_no_verifier(tmp_path: Path) -> None:
    net = network("verifier")
    net.config.num_labels = 3
    checkpoint(tmp_path / "judge", "verifier")
    facts = json.loads((tmp_path / "judge" / "config.json").read_text())
    assert open_checkpoint(tmp_path / "judge").verifier
    (tmp_path / "judge" / "config.json").write_text(json.dumps({**facts, "id2label": {"0": "a", "1": "b", "2": "c"}}))
    with pytest.raises(ConfigError, match="3 labels"):
        open_checkpoint(tmp_path / "judge")


def test_the_fingerprint_follows_every_fact_and_not_the_place(whole: Path, copy: Path) -> None:
    first = open_checkpoint(whole).fingerprint
    assert open_checkpoint(copy).fingerprint == first
    for name, change in (("config.json", lambda t: t.replace('"rope_theta": 10000.0', '"rope_theta": 9000.0')),
                         ("chat_template.jinja", lambda t: t + " ")):
        held = (copy / name).read_text()
        (copy / name).write_text(change(held))
        assert open_checkpoint(copy).fingerprint != first, name
        (copy / name).write_text(held)
    assert open_checkpoint(copy).fingerprint == first
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(weights))
    assert open_checkpoint(copy).fingerprint != first
