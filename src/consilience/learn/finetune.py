"""Fine-tuning a local language model on pairs of prompt and completion, with TRL and PEFT, into a new checkpoint."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilience.errors import ConfigError, MissingExtraError
from consilience.merge.source import INDEX, Source
from consilience.merge.write import WEIGHTS, appearing, cache_folder
from consilience.types import Request, digest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MANIFEST = "tuned.json"
"""What a checkpoint was tuned from, on what and how, beside the weights."""
AT_ONCE = 8
"""Texts in memory at a time; a larger batch is added up."""
VERSION = 1
"""Goes up when equal inputs would give other weights."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A request, rendered, and the completion that is to be learned for it."""

    request: Request
    completion: str


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a model is tuned. `rank` is that of the LoRA adapter, which is merged in at the end; 0 tunes all weights.

    `rate` is the highest learning rate of a cosine schedule with a tenth of warm-up; texts are cut on the left to `length`
    tokens.
    """

    epochs: int = 5
    rate: float = 2e-4
    batch: int = 32
    rank: int = 64
    length: int = 2048
    seed: int = 0


def tuned(base: Path, pairs: Sequence[Pair], tuning: Tuning) -> Path:
    """The checkpoint folder of `base` tuned on the pairs, from the cache where it is there.

    The loss counts the completions alone. Takes minutes; call it in a thread. Raises ConfigError without any pairs, and
    MissingExtraError for `[train]`.
    """
    if not pairs:
        raise ConfigError("there is nothing to fine-tune on: no pairs were given")
    facts = {"version": VERSION, "base": Source(base).hashes(), "tuning": asdict(tuning), "pairs": len(pairs),
             "data": digest([[pair.request.content(), pair.completion] for pair in pairs])}
    folder = cache_folder("tuned") / digest(facts)
    if not (folder / MANIFEST).exists():
        _check_installed()
        from consilience.decode.quiet import quietly

        with appearing(folder, MANIFEST) as draft, quietly(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)      # of TRL's own options
            _train(base, pairs, tuning, draft)
            (draft / MANIFEST).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return folder


def _check_installed() -> None:
    try:
        import peft  # noqa: F401
        import trl  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("train", "fine-tuning a model") from error


def _train(base: Path, pairs: Sequence[Pair], tuning: Tuning, draft: Path) -> None:
    from datasets import Dataset  # type: ignore[import-untyped]
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, PrinterCallback
    from trl import SFTTrainer

    tokenizer = _tokenizer(base)
    rows = [_row(tokenizer, pair, tuning.length) for pair in pairs]
    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto", local_files_only=True)
    dtype = model.dtype
    lora = LoraConfig(r=tuning.rank, lora_alpha=2 * tuning.rank, lora_dropout=0.1, target_modules="all-linear",
                      task_type="CAUSAL_LM") if tuning.rank else None
    trainer = SFTTrainer(model.float(), args=_arguments(tuning, len(rows), draft), train_dataset=Dataset.from_list(rows),
                         processing_class=tokenizer, peft_config=lora)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    shutil.rmtree(draft / "run", ignore_errors=True)
    made: Any = trainer.model
    if lora is not None:
        made = made.merge_and_unload()
    made.to(dtype).save_pretrained(draft)
    for file in base.iterdir():
        if file.is_file() and file.suffix not in WEIGHTS and file.name != INDEX and not (draft / file.name).exists():
            shutil.copy2(file, draft / file.name)


def _arguments(tuning: Tuning, rows: int, draft: Path) -> Any:
    import torch
    from trl import SFTConfig

    steps, at_once = tuning.epochs * -(-rows // tuning.batch), min(tuning.batch, AT_ONCE)
    return SFTConfig(
        output_dir=str(draft / "run"), max_steps=steps, per_device_train_batch_size=at_once,
        gradient_accumulation_steps=-(-tuning.batch // at_once),
        learning_rate=tuning.rate, lr_scheduler_type="cosine", warmup_steps=steps // 10, seed=tuning.seed,
        save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True,
        bf16=False, use_cpu=not torch.cuda.is_available(), max_length=None, dataset_kwargs={"skip_prepare_dataset": True})


def _row(tokenizer: PreTrainedTokenizerBase, pair: Pair, length: int) -> Mapping[str, list[int]]:
    """Ids of prompt and completion as one text, as the model is asked later; labels of the prompt are -100."""
    templated = bool(tokenizer.chat_template)
    messages = [{"role": m.role, "content": m.content} for m in pair.request.messages]
    prompt = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)) if templated \
        else "\n\n".join(m["content"] for m in messages)
    head, whole = (tokenizer(text, add_special_tokens=not templated)["input_ids"] for text in (prompt, prompt + pair.completion))
    same = next((i for i, (a, b) in enumerate(zip(whole, head, strict=False)) if a != b), min(len(head), len(whole)))
    labels = [-100] * same + whole[same:]
    return {"input_ids": whole[-length:], "labels": labels[-length:]}


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer as the local host loads it, with a token to pad with."""
    from consilience.decode.vocabulary import tokenizer_of

    found = tokenizer_of(folder)
    if found.pad_token_id is None:
        found.pad_token = found.eos_token
    return found
