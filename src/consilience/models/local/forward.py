"""Operations of one plain forward over whole texts, batched: scoring, next-token choices, rating, hidden states.

Texts are padded on the right, where causal attention never looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from consilience.decode.slots import width_step
from consilience.models.local.loading import Loaded

BATCH = 4096
"""Most tokens of one forward, padding included."""
LOGITS = 1 << 26
"""Most logits of one forward."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text as ids. `start` is where the part of interest begins; `choices` are ids that may come next."""

    ids: tuple[int, ...]
    start: int = 0
    choices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a text, and its share of the time in seconds."""

    value: Any
    seconds: float


def _batches(texts: Sequence[Text], most: int, step: int) -> Iterator[list[int]]:
    """Indices of texts of similar length, in batches of at most `most` padded tokens."""
    batch: list[int] = []
    for index in sorted(range(len(texts)), key=lambda i: -len(texts[i].ids)):
        longest = -(-len(texts[(batch or [index])[0]].ids) // step) * step
        if batch and (len(batch) + 1) * longest > most:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _padded(texts: Sequence[Text], loaded: Loaded) -> dict[str, Tensor]:
    step, device = width_step(loaded.model.dtype), loaded.model.device
    width = -(-max(len(t.ids) for t in texts) // step) * step
    lanes = len(texts)
    ids = torch.zeros(lanes, width, dtype=torch.int64)
    seen = torch.zeros(lanes, width, dtype=torch.int64)
    seen[:, 0] = 1
    for row, text in enumerate(texts):
        ids[row, :len(text.ids)] = torch.tensor(text.ids)
        seen[row, :len(text.ids)] = 1
    positions = torch.arange(width)[None].expand(lanes, -1).clamp_max((loaded.limit or width) - 1)
    return {"input_ids": ids.to(device), "attention_mask": seen.to(device), "position_ids": positions.to(device)}


def _each(loaded: Loaded, texts: Sequence[Text], most: int,
          read: Callable[[list[Text]], list[Any]]) -> list[Outcome]:
    """Apply `read` batch by batch; outcomes in the order of `texts`."""
    outcomes: list[Outcome | None] = [None] * len(texts)
    for batch in _batches(texts, most, width_step(loaded.model.dtype)):
        begun = time.perf_counter()
        values = read([texts[i] for i in batch])
        share = (time.perf_counter() - begun) / len(batch)
        for index, value in zip(batch, values, strict=True):
            outcomes[index] = Outcome(value, share)
    return [o for o in outcomes if o is not None]


@torch.inference_mode()
def score(loaded: Loaded, texts: Sequence[Text]) -> list[Outcome]:
    """Log-probabilities of `ids[start:]`, each given what stands before it; `start` is at least 1."""
    most = max(64, min(BATCH, LOGITS // loaded.model.config.get_text_config().vocab_size))

    def read(batch: list[Text]) -> list[Any]:
        """Forward one batch; of the texts to score alone are logits kept."""
        inputs, first = _padded(batch, loaded), min(t.start for t in batch) - 1
        kept = torch.arange(first, inputs["input_ids"].shape[1], device=loaded.model.device)
        logits = loaded.model(**inputs, use_cache=False, logits_to_keep=kept).logits
        return [_picked(logits[row], text, first) for row, text in enumerate(batch)]

    return _each(loaded, texts, most, read)


def _picked(logits: Tensor, text: Text, first: int) -> list[float]:
    log_p = torch.log_softmax(logits[text.start - 1 - first:len(text.ids) - 1 - first].float(), -1)
    wanted = torch.tensor(text.ids[text.start:], device=logits.device)
    return [float(x) for x in log_p.gather(1, wanted[:, None])[:, 0]]


@torch.inference_mode()
def choose(loaded: Loaded, texts: Sequence[Text]) -> list[Outcome]:
    """Log-probabilities of each of `choices` as the next token."""
    def read(batch: list[Text]) -> list[Any]:
        """Forward one batch; of each text the last place alone is kept."""
        inputs = _padded(batch, loaded)
        last = torch.zeros(len(inputs["input_ids"]), 1, dtype=torch.int64)
        last[:len(batch), 0] = torch.tensor([len(t.ids) - 1 for t in batch])
        logits = loaded.model(**inputs, use_cache=False, logits_to_keep=last.to(loaded.model.device)).logits[:, 0]
        log_p = torch.log_softmax(logits.float(), -1).cpu()
        return [[float(log_p[row, c]) for c in text.choices] for row, text in enumerate(batch)]

    return _each(loaded, texts, BATCH, read)


@torch.inference_mode()
def rate(loaded: Loaded, texts: Sequence[Text]) -> list[Outcome]:
    """The score of each text by a classification head with one label, read at its last token."""
    head = getattr(loaded.model, "score", None)

    def together(batch: list[Text]) -> list[Any]:
        """Forward one batch through the body and the head."""
        states = loaded.model.base_model(**_padded(batch, loaded), use_cache=False).last_hidden_state
        last = torch.tensor([len(t.ids) - 1 for t in batch], device=states.device)
        return head(states[torch.arange(len(batch), device=states.device), last])[:, 0].float().tolist()

    def singly(batch: list[Text]) -> list[Any]:
        """One text after the other, for models whose head cannot be told from the body."""
        return [float(loaded.model(torch.tensor([t.ids], device=loaded.model.device)).logits[0, 0]) for t in batch]

    return _each(loaded, texts, BATCH, singly if head is None else together)


@torch.inference_mode()
def hidden(loaded: Loaded, texts: Sequence[Text]) -> list[Outcome]:
    """Hidden states of `ids[start:]`: float32 [layers + 1, tokens, width]."""
    def read(batch: list[Text]) -> list[Any]:
        """Forward one batch and keep the states of all layers."""
        states = loaded.model(**_padded(batch, loaded), use_cache=False, output_hidden_states=True,
                              logits_to_keep=1).hidden_states
        return [np.stack([s[row, text.start:len(text.ids)].float().cpu().numpy() for s in states])
                for row, text in enumerate(batch)]

    return _each(loaded, texts, BATCH, read)


@torch.inference_mode()
def embed(loaded: Loaded, texts: Sequence[Text]) -> list[Outcome]:
    """The mean over tokens of the last hidden states, float32 [width]."""
    def read(batch: list[Text]) -> list[Any]:
        """Forward one batch and take the mean state of each text."""
        states = loaded.model.base_model(**_padded(batch, loaded), use_cache=False).last_hidden_state
        return [states[row, :len(text.ids)].float().mean(0).cpu().numpy() for row, text in enumerate(batch)]

    return _each(loaded, texts, BATCH, read)


OPERATIONS = {"score": score, "next": choose, "verify": rate, "hidden": hidden, "embed": embed}
"""By name, as the host's queues are keyed."""
