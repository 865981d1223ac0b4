"""Small heads on a model's hidden states that say who shall write the next token, fitted on members' right answers on dev."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.errors import ConfigError, ModelError
from consilience.learn.gradient import Descent, Weights
from consilience.learn.table import distinct
from consilience.method import Cast, Dev, Scored
from consilience.model import Hidden, Model, Score
from consilience.prompt import render

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

DESCENT = Descent(300, 0.02, decay=0.02)


@dataclass(frozen=True, slots=True)
class Places:
    """Token places of answers that were right on dev.

    `states` [places, width] are the reader's last hidden states before each token, `log_p` [writers, places] what each writer
    gives the token, `first` [places] marks the first token of each answer.
    """

    states: np.ndarray
    log_p: np.ndarray
    first: np.ndarray

    @classmethod
    async def of(cls, dev: Dev, cast: Cast, reader: Model, writers: Sequence[Model]) -> Self:
        """Read the members' own answers (see `right`). ConfigError when there is none that all can read."""
        import numpy as np

        table = await dev.replies(cast.members)
        states, chances, first = [], [], []
        for i, text in right(dev, table, cast.standing).items():
            request = dev.examples[i].request
            try:
                read = (await _power(reader, Hidden).hidden(render(request, reader.card), text, before=1)).value[-1]
                said = [(await _power(w, Score).score(render(request, w.card), text)).value for w in writers]
            except ModelError:
                continue
            if len({len(tokens) for tokens in said} | {len(read) - 1}) == 1 and said[0]:
                states.append(read[:-1])
                chances.append(np.array([[token.logprob for token in tokens] for tokens in said]))
                first.append(np.arange(len(said[0])) == 0)
        if not states:
            raise ConfigError("a head learns from members' answers on dev, and there is none that all of them can read")
        return cls(np.concatenate(states).astype(np.float64), np.concatenate(chances, axis=1), np.concatenate(first))


def right(dev: Dev, table: Sequence[Sequence[Scored]], standing: Sequence[float] | None = None) -> dict[int, str]:
    """By place of a dev question: the text of a right answer, the best member's first. Where nobody was right on any
    question, the best member's answers, right or not."""
    worth = standing or [sum(scored.score for scored in row) for row in table]
    order = sorted(range(len(table)), key=lambda m: -worth[m])
    said = {(i, m): text for i in distinct(dev.examples) for m in order if (text := getattr(table[m][i].reply, "text", None))}
    found = {i: text for (i, m), text in reversed(said.items()) if table[m][i].score >= 1}
    return found or {i: text for (i, m), text in said.items() if m == order[0]}


def _power(model: Model, kind: type[Any]) -> Any:
    power = model.power(kind)
    if power is None:
        raise ConfigError(f"{model.card.name} does not offer {kind.__name__}, from which the head would learn")
    return power


@dataclass(frozen=True, slots=True)
class Head:
    """A linear layer, equal by value: float32 weights [outputs, width + 1] as bytes, the bias last."""

    data: bytes
    outputs: int

    @classmethod
    def of(cls, weights: np.ndarray) -> Self:
        """From an array [outputs, width + 1]."""
        return cls(weights.astype("<f4").tobytes(), len(weights))

    def tensor(self, device: Any) -> Tensor:
        """The weights as a tensor [outputs, width + 1]."""
        import torch

        return torch.frombuffer(bytearray(self.data), dtype=torch.float32).reshape(self.outputs, -1).to(device)


def apply(weights: Tensor, states: Tensor) -> Tensor:
    """[rows, width] to [rows, outputs]."""
    return states.float() @ weights[:, :-1].T + weights[:, -1]


def choosing(states: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Weights [outputs, width + 1] whose softmax puts most of `gain` [places, outputs] to use: it maximises the mean log of the
    probability-weighted exp(gain), the likelihood of a text when each token's writer is drawn (Co-LLM, arXiv 2403.03870)."""
    import numpy as np

    mean, scale = states.mean(axis=0), states.std(axis=0) + 1e-6
    x = np.concatenate([(states - mean) / scale, np.ones((len(states), 1))], axis=1)
    worth = np.exp(gain - gain.max(axis=1, keepdims=True))

    def share(weights: Weights) -> np.ndarray:
        """Chances of the choices at each place, [places, choices]."""
        z = x @ weights["w"].T
        p: np.ndarray = np.exp(z - z.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def slope(weights: Weights, step: int) -> Mapping[str, np.ndarray]:
        """Gradient of the mean log-likelihood's negative, over all places."""
        p = share(weights)
        posterior = p * worth / (p * worth).sum(axis=1, keepdims=True)
        return {"w": (p - posterior).T @ x / len(x)}

    def judge(weights: Weights) -> float:
        """Mean log-likelihood of the places."""
        return float(np.log((share(weights) * worth).sum(axis=1)).mean())

    w = DESCENT.down({"w": np.zeros((gain.shape[1], x.shape[1]))}, slope, judge)["w"]
    own = w[:, :-1] / scale
    return np.concatenate([own, (w[:, -1] - own @ mean)[:, None]], axis=1)


def patches(places: Places, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Every `length`-th place of each answer from its first on: the states there, and what each writer gives the tokens from
    there to the next such place (or the end), [places, writers]."""
    import numpy as np

    begins = np.flatnonzero(places.first)
    starts = np.concatenate([np.arange(a, b, length) for a, b in zip(begins, [*begins[1:], len(places.first)], strict=True)])
    return places.states[starts], np.add.reduceat(places.log_p, starts, axis=1).T


def remaining(places: Places) -> np.ndarray:
    """Weights [1, width + 1] that predict ln(1 + tokens still to come) from a state, by ridge regression."""
    import numpy as np

    ends = np.append(np.flatnonzero(places.first)[1:], len(places.first))
    left = np.repeat(ends, np.diff(np.append(np.flatnonzero(places.first), len(places.first)))) - np.arange(len(places.first))
    x = np.concatenate([places.states, np.ones((len(places.states), 1))], axis=1)
    penalty = np.eye(x.shape[1]) * 1e-2 * float((places.states**2).sum(axis=1).mean() + 1)
    found: np.ndarray = np.linalg.solve(x.T @ x + penalty, x.T @ np.log1p(left))[None]
    return found


@dataclass(frozen=True)
class Deferred(Policy):
    """Member 1 writes where the head on member 0's state says so with more than `eta`; or both are mixed by what it says."""

    head: Head
    eta: float
    compose: bool
    hidden: ClassVar[tuple[int, ...]] = (0,)

    def prepare(self, material: Material) -> Any:
        """The head's weights."""
        return self.head.tensor(material.embeddings[0].device)

    def decide(self, sight: Sight) -> Move:
        """The base is asked for its state; the assistant where it is wanted."""
        import torch
        from consilience.decode.tensors import log_probs, mix_log

        base, assistant = sight.known
        states, none = sight.hidden[0], torch.zeros_like(sight.noise)
        share = none if states is None else apply(sight.prepared, states).softmax(-1)[:, 1]
        share = torch.where(sight.gone[0], 1.0, share.nan_to_num(0.0))
        defer = (base | sight.gone[0]) & (share > (0.0 if self.compose else self.eta)) & ~sight.gone[1]
        ask = torch.stack([~base, defer & ~assistant])
        if not self.compose:
            return Move(ask, (defer & assistant).long())
        weights = torch.stack([1 - share, share]).masked_fill(~sight.known, 0.0)
        return Move(ask, scores=mix_log(weights / weights.sum(0).clamp_min(1e-12), log_probs(torch.stack(list(sight.logits)))))
