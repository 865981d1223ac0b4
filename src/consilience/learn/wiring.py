"""A distribution over graphs of calls, drawn from, and moved by rewards or by words (Agent-REINFORCE, arXiv 2511.00086)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from consilience.errors import ModelError, NoAnswerError
from consilience.learn.dags import Node
from consilience.method import Cast, Scored
from consilience.prompt import letter, write
from consilience.types import Request, Sampling, Wording

if TYPE_CHECKING:
    import numpy as np

PRIOR = 4.0
"""How strongly standing on dev speaks for a member at first: logits per unit of score."""
RATE = 5.0
"""Length of a step of REINFORCE."""
WORD = 1.0
"""By how much a direction given in words moves a logit."""

SEEK = Wording(
    "Questions are answered by a graph of at most {most} calls of models. Each node answers, fuses the texts of several earlier "
    "nodes or assists one (corrects its text); the last node writes the answer. The models:\n{models}\n\nGraphs tried so far, on "
    "the same questions:\n{tried}\n\nWhat should be likelier in the next graphs, for a better score with fewer tokens? Think "
    "briefly about what the good ones share. Then write directions, one per line, of these kinds only:\nraise size 3\nlower edge 1 3"
    "\nraise role 2 assist\nraise role 3 fuse\nraise model 2 B")

_DIRECTION = re.compile(r"\b(raise|lower)\s+(?:(size)\s+(\d{1,9})|(role)\s+(\d{1,9})\s+(fuse|assist)|(edge)\s+(\d{1,9})\W+(\d{1,9})|"
                        r"(model)\s+(\d{1,9})\W+([A-Z])\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One draw: how many nodes, which edges [most, most], which nodes fuse [most], and each node's model [most]."""

    size: int
    edges: np.ndarray
    fuse: np.ndarray
    model: np.ndarray

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The graph: the last node reads every node that nobody else reads, an assistant the latest of those linked to it."""
        reads: list[list[int]] = []
        for j in range(self.size):
            own = [i for i in range(j) if self.edges[i, j]]
            reads.append(own if self.fuse[j] else own[-1:])
        seen = {i for own in reads for i in own}
        reads[-1] = sorted({*reads[-1], *(i for i in range(self.size - 1) if i not in seen)})
        return tuple(Node(int(self.model[j]), "fuse" if len(own) > 1 or self.fuse[j] else "assist", tuple(own))
                     for j, own in enumerate(reads))


@dataclass(frozen=True, slots=True)
class Wiring:
    """Logits of the number of nodes [most], of edges [most, most] (upper triangle), of fusing rather than assisting [most],
    and of the model of each node [most, members]."""

    size: np.ndarray
    edges: np.ndarray
    fuse: np.ndarray
    model: np.ndarray

    @classmethod
    def start(cls, most: int, standing: Sequence[float]) -> Self:
        """Even chances, but for models: those that do well alone are likelier."""
        import numpy as np

        return cls(np.zeros(most), np.zeros((most, most)), np.zeros(most), np.tile(PRIOR * np.array(standing), (most, 1)))

    def draw(self, rng: np.random.Generator) -> Sample:
        """One graph."""
        import numpy as np

        edges = np.triu(rng.random(self.edges.shape) < _chance(self.edges), 1)
        model = [rng.choice(len(p), p=p) for p in _shares(self.model)]
        return Sample(1 + int(rng.choice(len(self.size), p=_shares(self.size))), edges,
                      rng.random(self.fuse.shape) < _chance(self.fuse), np.array(model))

    def learned(self, samples: Sequence[Sample], gains: Sequence[float], rate: float = RATE) -> Self:
        """After a step of REINFORCE: rate * mean of gain (reward less baseline) * gradient of log P(sample). Nodes beyond a
        sample's size do not count for it."""
        made = self
        for sample, gain in zip(samples, gains, strict=True):
            made = made._toward(sample, self, rate * gain / len(samples))
        return made

    def _toward(self, sample: Sample, old: Wiring, step: float) -> Self:
        import numpy as np

        live = np.arange(len(self.size)) < sample.size
        both = np.triu(np.outer(live, live), 1)
        return replace(
            self, size=self.size + step * (np.eye(len(self.size))[sample.size - 1] - _shares(old.size)),
            edges=self.edges + step * both * (sample.edges - _chance(old.edges)),
            fuse=self.fuse + step * live * (sample.fuse - _chance(old.fuse)),
            model=self.model + step * live[:, None] * (np.eye(old.model.shape[1])[sample.model] - _shares(old.model)))

    def told(self, text: str) -> Self | None:
        """After directions in words, such as `raise edge 1 3`; what is not there is passed over. None without any."""
        size, edges, fuse, model = (part.copy() for part in (self.size, self.edges, self.fuse, self.model))
        moved = False
        for found in _DIRECTION.finditer(text):
            way, (kind, first, *rest) = WORD if found[1].lower() == "raise" else -WORD, [g for g in found.groups()[1:] if g]
            i, then = int(first) - 1, rest[0].lower() if rest else ""
            if not 0 <= i < len(size):
                continue
            match kind.lower():
                case "size":
                    size[i] += way
                case "role":
                    fuse[i] += way if then == "fuse" else -way
                case "edge" if i < int(then) - 1 < len(size):
                    edges[i, int(then) - 1] += way
                case "model" if ord(then) - ord("a") < model.shape[1]:
                    model[i, ord(then) - ord("a")] += way
                case _:
                    continue
            moved = True
        return replace(self, size=size, edges=edges, fuse=fuse, model=model) if moved else None


def usual(most: int, members: int) -> list[Sample]:
    """What to begin with: the first of the ranking alone; a chain in which each node assists the one before; a star in which
    the first of the ranking fuses what all others answer."""
    import numpy as np

    row, off = np.eye(most, k=1, dtype=bool), np.zeros((most, most), bool)
    to_last, places = off.copy(), np.arange(most)[::-1] % members
    to_last[:-1, -1] = True
    return [Sample(1, off, np.ones(most, bool), np.zeros(most, int)), Sample(most, row, np.zeros(most, bool), places),
            Sample(most, to_last, np.ones(most, bool), places)]


def described(nodes: Sequence[Node]) -> str:
    """A graph in words: nodes from 1, members by letter."""
    def one(node: Node) -> str:
        """Who does what with whose work, in words."""
        work = f"{node.role}s {', '.join(str(i + 1) for i in node.reads)}" if node.reads else "answers"
        return f"{letter(node.member)} {work}"

    return "; ".join(f"{j + 1}: {one(node)}" for j, node in enumerate(nodes))


@dataclass(frozen=True, slots=True)
class Trial:
    """What a graph did on dev: mean score, mean tokens per question, and its reward."""

    score: float
    tokens: float
    reward: float

    @classmethod
    def of(cls, row: Sequence[Scored], limit: int) -> Self:
        """The reward is the score less a tenth for each `limit` of tokens beyond it (0: no limit)."""
        score = sum(s.score for s in row) / len(row)
        tokens = sum(s.reply.usage.prompt_tokens + s.reply.usage.completion_tokens for s in row if s.reply is not None) / len(row)
        return cls(score, tokens, score - (0.1 * max(0.0, (tokens - limit) / limit) if limit else 0.0))


async def advice(cast: Cast, order: Sequence[int], most: int, known: Mapping[tuple[Node, ...], Trial]) -> str:
    """What the searcher says after reading the trials; empty when it fails."""
    models = [f"{letter(place)}) {(m := cast.members[i]).card.description or m.card.name}"
              + (f" (alone: score {cast.standing[i]:.2f})" if cast.standing else "") for place, i in enumerate(order)]
    tried = [f"- score {trial.score:.2f}, {trial.tokens:.0f} tokens: {described(graph)}" for graph, trial in known.items()]
    text = write(SEEK, {"most": str(most), "models": "\n".join(models), "tried": "\n".join(tried)})
    try:
        [reply] = await cast.roles["searcher"][0].generate(Request.of(text, sampling=Sampling(temperature=0.0)))
    except (ModelError, NoAnswerError):
        return ""
    return reply.text or ""


def _chance(logits: np.ndarray) -> np.ndarray:
    import numpy as np

    return 1 / (1 + np.exp(-logits))  # type: ignore[no-any-return]


def _shares(logits: np.ndarray) -> np.ndarray:
    import numpy as np

    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]
