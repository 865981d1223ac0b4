"""From a checkpoint to a model in memory. Runs in the host's thread."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

from consilience.decode.binding import Bound, Verdict, bind, longest_row
from consilience.decode.quiet import quietly
from consilience.decode.vocabulary import tokenizer_of
from consilience.errors import ModelError
from consilience.models.local.checkpoint import Checkpoint


@dataclass(slots=True, eq=False)
class Loaded:
    """A model in memory."""

    model: PreTrainedModel
    bound: Bound | None = None
    """None for verifiers, which do not decode."""

    @property
    def limit(self) -> int | None:
        """The longest row."""
        return longest_row(self.model.config.get_text_config())


def load(checkpoint: Checkpoint, dtype: torch.dtype, device: torch.device, known: Verdict | None = None) -> Loaded:
    """Load, merge the adapter where there is one, and bind to the engine (untested when the verdict is known).

    Raises ModelError.
    """
    checkpoint.check()
    try:
        with quietly():
            model = read(checkpoint, dtype).to(device).eval()
            bound = None if checkpoint.verifier else bind(model, known)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, AttributeError, TypeError, SafetensorError) as error:
        raise ModelError(f"{checkpoint.path} cannot be loaded: {error}") from error
    return Loaded(model, bound)


def read(checkpoint: Checkpoint, dtype: torch.dtype) -> PreTrainedModel:
    """The model on the CPU, its adapter merged in. Weights that the files lack are an error, not random numbers."""
    kind = AutoModelForSequenceClassification if checkpoint.verifier else AutoModelForCausalLM
    extra = {"num_labels": 1} if checkpoint.verifier else {}
    model, report = kind.from_pretrained(checkpoint.root, dtype=dtype, use_safetensors=True, local_files_only=True,
                                         trust_remote_code=checkpoint.trust_remote_code, output_loading_info=True, **extra)
    missing = sorted(report["missing_keys"])
    if missing and not checkpoint.adapter:
        raise ModelError(f"{checkpoint.root} lacks {len(missing)} weights of {type(model).__name__}, such as {missing[0]}")
    if checkpoint.adapter:
        from peft import PeftModel
        model = PeftModel.from_pretrained(model, str(checkpoint.path)).merge_and_unload()
    model.requires_grad_(False)
    return model


@cache
def merged(checkpoint: Checkpoint) -> Path:
    """A folder with the whole checkpoint: itself, or for an adapter a merged copy that lives as long as this process."""
    if checkpoint.base is None:
        return checkpoint.path
    folder = Path(tempfile.mkdtemp(prefix="consilience-merged-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with quietly():
        read(checkpoint, getattr(torch, checkpoint.stored_dtype)).save_pretrained(folder)
        tokenizer_of(checkpoint.tokenizer, checkpoint.trust_remote_code).save_pretrained(folder)
    return folder
