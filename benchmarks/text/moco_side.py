"""Runs in the peer's environment: one of MoCo's text methods on the nursery, on the CPU and in this process.

    python moco_side.py JOB.json        # written by moco.py

The job names the folder with a scratch copy of the package, the method, the task, the models and MoCo's own
hyperparameters. The last line printed is JSON: seconds, loads of models, and what MoCo logged.
"""

from __future__ import annotations

import functools
import importlib
import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

BOX = "\n\nPlease provide the final, direct answer wrapped exactly as \\box{ANSWER}"
"""What MoCo adds to every question of an exact-match task."""


def _items(text: str) -> list[str]:
    return [item.strip() for item in re.split(r"(?:^|\n)- ", text) if item.strip()]


def _candidates(text: str) -> list[str]:
    return [item.strip() for item in re.split(r"(?:^|\n)Candidate \d+ \(from model [^\n]*\):\n", text) if item.strip()]


def _numbered(texts: list[str]) -> str:
    return "".join(f"\n{place}. {text}" for place, text in enumerate(texts, 1))


Made = Callable[..., str]
KINDS: tuple[tuple[str, Made], ...] = (
    (r"Question: (.*?)\n\nYour previous answer: (.*?)\n\nOther assistants' answers:\n(.*)\n\nPlease provide a refined answer",
     lambda q, own, peers: f"refine: {q}\n0. {own}{_numbered(_items(peers))}"),
    (r"Question: (.*?)\n\nYour Previous Answer: (.*?)\n\nFeedback from other assistants:\n(.*)\n\nPlease provide a refined answer",
     lambda q, own, said: f"refine: {q}\n0. {own}{_numbered(_items(said))}"),
    (r"Question: (.*?)\n\nAssistant's Answer: (.*)\n\nPlease provide your feedback", lambda q, own: f"critique: {q}\n1. {own}"),
    (r"Question: (.*?)\n\nAssistants' answers:\n(.*)\n\nPlease provide a final",
     lambda q, peers: f"fuse: {q}{_numbered(_items(peers))}"),
    (r"Question:\n(.*?)\n\nCandidate A:\n(.*?)\n\nCandidate B:\n(.*)\n\nWhich answer is better",
     lambda q, a, b: f"judge: {q}\nA) {a}\nB) {b}"),
    (r"Question: (.*?)\n\nCandidate answers[^\n]*:\n(.*)\nNow write the final answer",
     lambda q, peers: f"fuse: {q}{_numbered(_candidates(peers))}"),
)
"""MoCo's templates, read by their headings, and what the nursery's members were trained to read in their place."""


def translated(prompt: str) -> str:
    """A prompt of MoCo in the nursery's wording."""
    prompt = prompt.replace(BOX, "")
    for pattern, made in KINDS:
        found = re.search(pattern, prompt, re.DOTALL)
        if found is not None:
            question, *rest = (part.strip() for part in found.groups())
            return made(question.removeprefix("steps: "), *rest)
    return prompt


def reworded(generate: Callable[..., Any]) -> Callable[..., Any]:
    """MoCo's door to its models, with every prompt translated."""

    @functools.wraps(generate)
    def ask(names: list[str], prompts: list[list[str]], *rest: Any, **more: Any) -> Any:
        return generate(names, [[translated(p) for p in batch] for batch in prompts], *rest, **more)

    return ask


def counted(loads: list[str]) -> None:
    """Count what is loaded."""
    load = transformers.AutoModelForCausalLM.from_pretrained

    def counting(name: str, *rest: Any, **more: Any) -> Any:
        loads.append(name)
        return load(name, *rest, **more)

    transformers.AutoModelForCausalLM.from_pretrained = counting


def main(path: str) -> None:
    """Run one job."""
    job = json.loads(Path(path).read_text())
    torch.set_num_threads(1)
    torch.manual_seed(job["seed"])
    random.seed(job["seed"])
    sys.path.insert(0, job["folder"])
    generation = importlib.import_module("model_collaboration.method.distributed_generation")
    method = importlib.import_module(f"model_collaboration.method.{job['method']}")
    options, loads = job["hyperparameters"], []
    generation.update_generation_hyperparameters(
        options["max_response_length"], options["temperature"], options["top_p"], options["batch_size"], big_model_mode=True)
    generation.build_model_and_tokenizer_for_generation = functools.partial(
        generation.build_model_and_tokenizer_for_generation, torch_dtype=torch.float32)
    if job["wording"] == "nursery":
        generation.distributed_generation = reworded(generation.distributed_generation)
    counted(loads)
    wall, cpu = time.perf_counter(), time.process_time()
    method.run_method(job["task"], "exact_match", [0], job["models"], options)
    taken = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "loads": len(loads)}
    [log] = (Path(job["folder"]) / "model_collaboration" / "logs").glob("*.json")
    print(json.dumps({**taken, "log": json.loads(log.read_text())}))


if __name__ == "__main__":
    main(sys.argv[1])
