"""Task arithmetic over LoRA adapters equals PEFT's exact combination of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from consilience.methods.weight.task_arithmetic import TaskArithmetic
from consilience.model import Weights
from consilience.models.local import LocalHost, LocalModel
from consilience.team import Team
from tests.models.local.tiny import checkpoint


def adapter(base: Path, folder: Path, seed: int) -> Path:
    """A random LoRA adapter of a checkpoint."""
    torch.manual_seed(seed)
    config = LoraConfig(r=2 + seed, lora_alpha=4, target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=.3)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("weights", [(), (.25, -.5)])
def test_adapters_add_up_as_in_peft(tmp_path: Path, weights: tuple[float, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILIENCE_CACHE", str(tmp_path / "cache"))
    base = checkpoint(tmp_path / "base")
    folders = [adapter(base, tmp_path / f"lora{i}", i) for i in range(2)]
    host = LocalHost()
    members = [LocalModel(f, host=host, base=base, name=f.name) for f in folders]
    team = Team(TaskArithmetic(scale=.7, weights=weights), members, base=LocalModel(base, host=host, name="base"))
    made = asyncio.run(team.child())
    assert made is not None
    ours = load_file(made.power(Weights).path / "model.safetensors")  # type: ignore[union-attr]

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folders[0], adapter_name="a")
    model.load_adapter(folders[1], adapter_name="b")
    model.add_weighted_adapter(["a", "b"], [.7 * w for w in weights or (1, 1)], "both", combination_type="cat")
    model.set_adapter("both")
    theirs = model.merge_and_unload().state_dict()
    for name, tensor in ours.items():
        assert torch.allclose(tensor, theirs[name], atol=1e-5), name
