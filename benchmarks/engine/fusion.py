"""Logit fusion of three members: our lockstep engine against MoCo's loop, and against the members' own `generate`.

MoCo 1.1 (`modelco`) is installed without its dependencies into an environment of its own under the temporary folder,
which borrows this one's torch and transformers, so both sides run the same libraries. One string of a scratch copy is
patched: the weights load in float32 instead of bfloat16, which is the faster of the two for it on a CPU.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from functools import partial
from pathlib import Path
from statistics import median

import torch
from generation import Result, ours, theirs
from nets import LONGEST, VOCABULARY, network, prompts, seconds
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from consilience.decode.binding import Bound, bind
from consilience.decode.engine import Engine
from consilience.decode.row import Row
from consilience.decode.tensors import MeanLogits
from consilience.types import Sampling

MEMBERS = 3
ROWS = 4
PROMPT = 71
PEER = "modelco==1.1"


def peer_environment(folder: Path) -> Path:
    """The peer's Python; made on first use. Raises CalledProcessError when it cannot be installed."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", PEER], check=True, capture_output=True, text=True)
        site = next(folder.glob("lib/python*/site-packages"))
        (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        (folder / "ready").touch()
    return python


def scratch_copy(environment: Path, folder: Path) -> Path:
    """The peer's file with float32 in place of bfloat16."""
    [source] = environment.glob("lib/python*/site-packages/model_collaboration/utils/logit_arithmetic.py")
    copy = folder / "logit_arithmetic.py"
    copy.write_text(source.read_text().replace("torch.bfloat16", "torch.float32"))
    return copy


def members(folder: Path) -> list[str]:
    """Three random Llamas of two layers and width 64 (355,000 parameters, vocabulary 2,000), with a tokenizer, saved."""
    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({f"w{i}": i for i in range(2000)}, "w0")),
                                    eos_token="w1999", pad_token="w0")
    paths = []
    for seed in range(MEMBERS):
        torch.manual_seed(seed)
        net = LlamaForCausalLM(LlamaConfig(vocab_size=2000, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                                           num_attention_heads=4, max_position_embeddings=LONGEST, bos_token_id=None,
                                           eos_token_id=None, pad_token_id=None))
        with torch.no_grad():
            net.lm_head.weight[1999] = net.lm_head.weight[1]      # the end token can tie with a lower id, never win
        path = folder / f"member{seed}"
        net.save_pretrained(path)
        words.save_pretrained(path)
        paths.append(str(path))
    return paths


def compare(lengths: tuple[int, ...], repeats: int, *, peer: bool = True, rows: int = ROWS) -> tuple[list[Result], str]:
    """Comparisons of `rows` texts at each number of new tokens, and why the peer is missing where it is."""
    results: list[Result] = []
    trouble = ""
    with tempfile.TemporaryDirectory(prefix="consilience-fusion-") as name:
        folder = Path(name)
        paths = members(folder)
        asked = prompts(rows, PROMPT, PROMPT, seed=3)
        try:
            found = _peer(folder, paths, asked, lengths) if peer else {}
        except (subprocess.CalledProcessError, OSError) as error:
            found, trouble = {}, f"{PEER} could not be run: {error} {getattr(error, 'stderr', '') or ''}"[:500]
        bound = [bind(LlamaForCausalLM.from_pretrained(p).eval()) for p in paths]
        for net in bound:
            net.model.generation_config.eos_token_id = None
        for length in lengths:
            each = [partial(theirs, net.model, asked, [length] * rows) for net in bound]
            mine = partial(ours, bound, asked, [length] * rows, combiner=MeanLogits())
            *own, taken = seconds(*each, mine, repeats=repeats)
            job = f"fusion of {MEMBERS}, {rows} rows, {length} new"
            if str(length) in found:
                theirs_seconds, texts = found[str(length)]
                results.append(Result(f"{job} (texts equal: {texts == mine()})", "llama0.36", "MoCo 1.1", theirs_seconds,
                                      taken, {256: 10.0, 1024: 25.0}.get(length)))
            results.append(Result(job, "llama0.36", "the members' own generate, summed", sum(own), taken, 1 / 1.3))
    return results, trouble


def wide(rows: int, new: int, repeats: int, name: str = "llama0.9") -> list[Result]:
    """Three members at a larger batch: against their own `generate` summed, and the cost of late tokens against early ones."""
    bound = [bind(network(name, seed)) for seed in range(MEMBERS)]
    asked = prompts(rows, 64, 64, seed=4)
    each = [partial(theirs, net.model, asked, [new] * rows, lanes=rows) for net in bound]
    *own, taken = seconds(*each, partial(ours, bound, asked, [new] * rows, lanes=rows, combiner=MeanLogits()), repeats=repeats)
    early, late = zip(*(_ends(bound, asked, new) for _ in range(repeats)), strict=True)
    job = f"fusion of {MEMBERS}, {rows} rows, {new} new"
    return [Result(job, name, "the members' own generate, summed", sum(own), taken, 1 / 1.15),
            Result(f"{job}: the last 32 tokens", name, "the first 32", median(early), median(late), None)]


def _ends(bound: list[Bound], asked: list[tuple[int, ...]], new: int) -> tuple[float, float]:
    """Seconds of the first and of the last 32 tokens (an eighth of them, where they are fewer than 64)."""
    marks: list[float] = []
    span = 32 if new >= 64 else max(new // 8, 1)

    def watch(_: object) -> bool:
        marks.append(time.process_time())
        return False

    rows = [Row((p,) * MEMBERS, Sampling(temperature=0), i, frozenset(), new, lambda _: None, watch if i == 0 else None)
            for i, p in enumerate(asked)]
    waiting = [rows]
    Engine([net.slots() for net in bound], MeanLogits(), VOCABULARY, lanes=len(rows)).run(
        lambda most: waiting.pop() if waiting else [])
    return marks[span] - marks[0], marks[-1] - marks[-1 - span]


def _peer(folder: Path, paths: list[str], asked: list[tuple[int, ...]], lengths: tuple[int, ...]) -> dict[str, list]:
    environment = Path(tempfile.gettempdir()) / "consilience-moco"
    python = peer_environment(environment)
    done = subprocess.run([python, Path(__file__).with_name("moco_side.py"), scratch_copy(environment, folder),
                           json.dumps(paths), json.dumps(asked), json.dumps(lengths)],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit("run benchmarks/engine/run.py")
