"""Writing members as ordinary Transformers folders (and PEFT adapters), and reading them back."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from consilience.nursery.net import Params, Shape
from consilience.nursery.vocabulary import BEGIN, CONTEXT, END, PAD, save_tokenizer


def config(shape: Shape, tokenizer: Tokenizer, head: bool) -> dict[str, object]:
    """The `config.json` of a network; `head`: one score instead of next tokens."""
    family = "Qwen2" if shape.bias else "Llama"
    kind = "ForSequenceClassification" if head else "ForCausalLM"
    marks = {f"{name}_token_id": tokenizer.token_to_id(text) for name, text in (("bos", BEGIN), ("eos", END), ("pad", PAD))}
    sizes = {
        "hidden_size": shape.width, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads, "intermediate_size": shape.inner, "vocab_size": shape.vocabulary,
    }
    rest = {
        "architectures": [f"{family}{kind}"], "model_type": family.lower(), "hidden_act": "silu", "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True, "attention_dropout": 0.0, "use_cache": True, "dtype": "bfloat16",
    }
    if head:
        rest["id2label"] = {"0": "right"}
        rest["label2id"] = {"right": 0}
    if not shape.bias:
        rest |= {"head_dim": shape.head, "attention_bias": False, "mlp_bias": False}
    return {**rest, **sizes, **marks}


def write_member(folder: Path, params: Params, shape: Shape, tokenizer: Tokenizer, head: bool = False) -> None:
    """A complete model folder in bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = config(shape, tokenizer, head)
    (folder / "config.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")
    if not head:
        marks = {name: settings[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        (folder / "generation_config.json").write_text(json.dumps(marks | {"do_sample": False}, indent=1) + "\n")
    save_tokenizer(tokenizer, folder)
    tensors = {name: p.detach().bfloat16().contiguous() for name, p in sorted(params.items())}
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})


def write_adapter(folder: Path, params: Params, base: str, rank: int) -> None:
    """A PEFT LoRA folder; `params` holds `<matrix>.A` and `<matrix>.B`, with scale 1 (alpha = rank)."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = sorted({name.split(".")[-3] for name in params})
    settings = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "r": rank, "lora_alpha": rank,
        "lora_dropout": 0.0, "target_modules": targets, "bias": "none", "fan_in_fan_out": False, "inference_mode": True,
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=1, sort_keys=True) + "\n")
    tensors = {}
    for name, p in sorted(params.items()):
        stem, side = name.removesuffix(".A").removesuffix(".B").removesuffix(".weight"), name[-1]
        tensors[f"base_model.model.{stem}.lora_{side}.weight"] = p.detach().bfloat16().contiguous()
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})


def read_member(folder: Path) -> tuple[Params, Shape, Tokenizer]:
    """A model folder in float32."""
    settings = json.loads((folder / "config.json").read_text())
    shape = Shape(
        width=settings["hidden_size"], layers=settings["num_hidden_layers"], heads=settings["num_attention_heads"],
        key_heads=settings["num_key_value_heads"], inner=settings["intermediate_size"], vocabulary=settings["vocab_size"],
        bias=settings["model_type"] == "qwen2",
    )
    params = {name: p.float() for name, p in load_file(str(folder / "model.safetensors")).items()}
    return params, shape, Tokenizer.from_file(str(folder / "tokenizer.json"))


def read_adapter(folder: Path, base: Params) -> Params:
    """The base with an adapter folded in."""
    settings = json.loads((folder / "adapter_config.json").read_text())
    tensors = {name: p.float() for name, p in load_file(str(folder / "adapter_model.safetensors")).items()}
    merged = dict(base)
    for name in base:
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{stem}.lora_A.weight" in tensors:
            update = tensors[f"{stem}.lora_B.weight"] @ tensors[f"{stem}.lora_A.weight"]
            merged[name] = base[name] + update * settings["lora_alpha"] / settings["r"]
    return merged


def keep(path: Path, params: Params) -> None:
    """Save unfinished weights in float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: p.detach().contiguous() for name, p in params.items()}, str(path))


def kept(path: Path) -> Params:
    """Load unfinished weights."""
    return {name: torch.clone(p) for name, p in load_file(str(path)).items()}
