"""Runs in the peer's environment: times `LogitArithmetic.generate` of a scratch copy, and prints seconds of CPU as JSON."""

from __future__ import annotations

import importlib.util
import json
import sys
import time

import torch
from transformers import PreTrainedTokenizerFast


def main(source: str, folders: str, ids: str, lengths: str) -> None:
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("logit_arithmetic", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = json.loads(folders)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(names[0])
    mixer = module.LogitArithmetic(names, ["cpu"] * len(names), tokenizer)
    prompts = torch.tensor(json.loads(ids))
    timed = {}
    for length in json.loads(lengths):
        begun = time.process_time()
        out = mixer.generate(input_ids=prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=length,
                             do_sample=False)
        timed[length] = [time.process_time() - begun, out[:, prompts.shape[1]:].tolist()]
    print(json.dumps(timed))


if __name__ == "__main__":
    main(*sys.argv[1:])
