"""Small heads on a model's hidden states that say who shall write the next token, fitted on right answers of dev."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from consilience.errors import ConfigError, ModelError
from consilience.learn.gradient import Descent, Weights
from consilience.learn.table import distinct
from consilience.method import Dev
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
    async def of(cls, dev: Dev, members: Sequence[Model], reader: Model, writers: Sequence[Model]) -> Self:
        """Read the members' own right answers. ConfigError when nobody was right, so that there is nothing to learn from."""
        import numpy as np

        table = await dev.replies(members)
        order = sorted(range(len(members)), key=lambda m: -sum(scored.score for scored in table[m]))
        states, chances, first = [], [], []
        for i in distinct(dev.examples):
            texts = [reply.text for m in order if (reply := table[m][i].reply) and reply.text and table[m][i].score >= 1]
            if not texts:
                continue
            request = dev.examples[i].request
            try:
                read = (await _power(reader, Hidden).hidden(render(request, reader.card), texts[0], before=1)).value[-1]
                said = [(await _power(w, Score).score(render(request, w.card), texts[0])).value for w in writers]
            except ModelError:
                continue
            if len({len(tokens) for tokens in said} | {len(read) - 1}) == 1 and said[0]:
                states.append(read[:-1])
                chances.append(np.array([[token.logprob for token in tokens] for tokens in said]))
                first.append(np.arange(len(said[0])) == 0)
        if not states:
            raise ConfigError("a head learns from right answers, and no member answered a dev question right")
        return cls(np.concatenate(states).astype(np.float64), np.concatenate(chances, axis=1), np.concatenate(first))


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
        z = x @ weights["w"].T
        p: np.ndarray = np.exp(z - z.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def slope(weights: Weights, step: int) -> Mapping[str, np.ndarray]:
        p = share(weights)
        posterior = p * worth / (p * worth).sum(axis=1, keepdims=True)
        return {"w": (p - posterior).T @ x / len(x)}

    def judge(weights: Weights) -> float:
        return float(np.log((share(weights) * worth).sum(axis=1)).mean())

    w = DESCENT.down({"w": np.zeros((gain.shape[1], x.shape[1]))}, slope, judge)["w"]
    own = w[:, :-1] / scale
    return np.concatenate([own, (w[:, -1] - own @ mean)[:, None]], axis=1)
