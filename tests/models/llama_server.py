"""A real llama.cpp server on loopback, with a checkpoint of the embedded pool written as GGUF.

Run as a program it serves: `python -m tests.models.llama_server FILE.gguf PORT`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

PARTS = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
WHOLE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
         "lm_head.weight": "output.weight"}


def write_gguf(folder: Path, file: Path) -> None:
    """A Llama or Qwen2 checkpoint with a byte-level BPE tokenizer as one float32 GGUF file."""
    import gguf
    from safetensors.torch import load_file

    config, words = (json.loads((folder / name).read_text()) for name in ("config.json", "tokenizer.json"))
    out = gguf.GGUFWriter(file, config["model_type"])
    heads, shared = config["num_attention_heads"], config["num_key_value_heads"]
    out.add_context_length(config["max_position_embeddings"])
    out.add_embedding_length(config["hidden_size"])
    out.add_block_count(config["num_hidden_layers"])
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_head_count(heads)
    out.add_head_count_kv(shared)
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    out.add_vocab_size(config["vocab_size"])
    _write_words(out, words, config, json.loads((folder / "tokenizer_config.json").read_text()))
    for name, tensor in load_file(folder / "model.safetensors").items():
        target, x = _target(name), tensor.float().numpy()
        if config["model_type"] == "llama" and ("attn_q" in target or "attn_k" in target):
            x = _interleaved(x, heads if "attn_q" in target else shared)
        out.add_tensor(target, np.ascontiguousarray(x))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def _write_words(out: Any, words: dict[str, Any], config: dict[str, Any], template: dict[str, Any]) -> None:
    special = {token["id"]: token["content"] for token in words["added_tokens"]}
    names = {i: text for text, i in words["model"]["vocab"].items()} | special
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("default")
    out.add_token_list([names.get(i, f"<unused{i}>") for i in range(config["vocab_size"])])
    out.add_token_types([3 if i in special else 1 for i in range(config["vocab_size"])])
    out.add_token_merges([" ".join(m) if isinstance(m, list) else m for m in words["model"]["merges"]] or ["a b"])
    out.add_bos_token_id(config["bos_token_id"])
    out.add_eos_token_id(config["eos_token_id"])
    out.add_add_bos_token(False)
    out.add_chat_template(template["chat_template"])


def _target(name: str) -> str:
    if name in WHOLE:
        return WHOLE[name]
    _, _, layer, rest = name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{PARTS[part]}.{kind}"


def _interleaved(x: np.ndarray, heads: int) -> np.ndarray:
    """Rows of rotary projections in the order that llama.cpp rotates them."""
    return x.reshape(heads, 2, len(x) // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


@contextmanager
def served(folder: Path, scratch: Path, embeds: bool = False) -> Iterator[str]:
    """The base URL of a server with this checkpoint, which writes, or embeds texts."""
    file = scratch / f"{folder.name}.gguf"
    write_gguf(folder, file)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = scratch / f"{folder.name}.log"
    with log.open("w") as out:
        server = subprocess.Popen([sys.executable, "-m", "tests.models.llama_server", str(file), str(port), *["embeds"] * embeds], stdout=out,
                                  stderr=out, cwd=Path(__file__).parents[2])
    try:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
                break
            except OSError:
                assert time.monotonic() < until and server.poll() is None, log.read_text()[-2000:]
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait(10)


def main(file: str, port: str, embeds: str = "") -> None:
    """Serve until killed."""
    import xllamacpp

    options = xllamacpp.CommonParams()
    options.model.path, options.hostnames, options.port = file, ["127.0.0.1"], int(port)
    options.n_ctx, options.n_parallel, options.cpuparams.n_threads = 4096, 4, 1
    options.embedding = bool(embeds)
    if embeds:
        options.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(options)
    while server is not None:
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
