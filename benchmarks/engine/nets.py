"""Random networks and prompts for the engine's benchmarks: speed depends on shapes, not on what was learned."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from statistics import median

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

VOCABULARY = 512
LONGEST = 2048


def network(name: str, seed: int = 0, vocabulary: int = VOCABULARY) -> PreTrainedModel:
    """`llama0.9`, `qwen1.6` (grouped heads), `llama3.0`: millions of parameters; `tiny` for smoke tests. No end token."""
    torch.manual_seed(seed)
    width, layers, heads, kv = {"tiny": (32, 2, 4, 4), "llama0.9": (128, 4, 4, 4), "qwen1.6": (192, 4, 6, 2),
                                "llama3.0": (192, 6, 6, 6)}[name]
    sizes = {"vocab_size": vocabulary, "hidden_size": width, "intermediate_size": width * 3, "num_hidden_layers": layers,
             "num_attention_heads": heads, "num_key_value_heads": kv, "max_position_embeddings": LONGEST,
             "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    made = Qwen2ForCausalLM(Qwen2Config(**sizes)) if name.startswith("qwen") else LlamaForCausalLM(LlamaConfig(**sizes))
    made.generation_config.eos_token_id = None
    return made.eval()


def prompts(count: int, shortest: int, longest: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Random ids; id 0 is left to padding."""
    draw = random.Random(seed)
    return [tuple(draw.randrange(1, VOCABULARY) for _ in range(draw.randint(shortest, longest))) for _ in range(count)]


def seconds(*jobs: Callable[[], object], repeats: int) -> list[float]:
    """Median seconds of CPU of each job; the jobs take turns, so that a busy machine slows all of them alike."""
    taken: list[list[float]] = [[] for _ in jobs]
    for job in jobs:
        job()
    for _ in range(repeats):
        for job, times in zip(jobs, taken, strict=True):
            begun = time.process_time()
            job()
            times.append(time.process_time() - begun)
    return [median(times) for times in taken]
