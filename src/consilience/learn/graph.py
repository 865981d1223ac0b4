"""A graph of questions and members whose edges are dev scores, and what two rounds of messages along them tell of edges
that are not known yet (GraphRouter, arXiv 2410.03834)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consilience.learn.gradient import Descent, Lean, Weights, parts

if TYPE_CHECKING:
    import numpy as np


def rewards(scores: np.ndarray, costs: np.ndarray, tradeoff: float) -> np.ndarray:
    """Score less the price of its cost. The paper's scenarios a * score - b * cost are those of `tradeoff` b / a."""
    return scores - tradeoff * costs if tradeoff else scores


def winners(reward: np.ndarray, standing: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """1 for the member with the highest reward of each question, else 0; ties to the better by `standing`, then the
    cheaper by mean `cost`, [questions, members]."""
    import numpy as np

    order = np.lexsort((np.nan_to_num(cost, nan=np.inf), -np.round(standing, 12)))
    found = np.zeros_like(reward)
    found[np.arange(len(reward)), order[np.argmax(np.round(reward, 9)[:, order], axis=1)]] = 1
    return found


def node(x: np.ndarray, task: np.ndarray) -> np.ndarray:
    """A question's vector, that of its task and a constant, float64 [questions, 2 * width + 1]."""
    import numpy as np

    return np.concatenate([x, task, np.full((len(x), 1), 0.3)], axis=1, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Graph:
    """Known questions `x` [questions, width] and what members gained on them beyond the others, `gain` [questions,
    members]."""

    x: np.ndarray
    gain: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, reward: np.ndarray) -> Graph:
        """From rewards, each less the mean of its question."""
        return cls(x, reward - reward.mean(axis=1, keepdims=True))

    @property
    def profiles(self) -> np.ndarray:
        """Members described by the questions that they gained on, unit rows [members, width]."""
        import numpy as np

        sums = self.gain.T @ self.x
        found: np.ndarray = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        return found

    def among(self, rows: np.ndarray) -> Graph:
        """Some of the questions."""
        return Graph(self.x[rows], self.gain[rows])

    def passed(self, w: Weights) -> Passed:
        """Two rounds of messages: questions hear of the members that gained on them, members of their questions."""
        import numpy as np

        told = self.profiles
        start, met = told @ w["describe"], told @ w["align"]
        asked = self.x @ w["align"]
        heard = self.gain @ start
        question = np.maximum(asked @ w["ask_self"] + heard @ w["ask_heard"], 0)
        member = np.maximum(start @ w["own_self"] + met @ w["own_met"], 0)
        message = self.gain.T @ question / max(1, len(self.x))
        return Passed(told, start, met, asked, heard, question, member, message,
                      member @ w["keep"] + message @ w["take"])

    def slope(self, w: Weights, x: np.ndarray, label: np.ndarray) -> tuple[float, Weights]:
        """Binary cross-entropy of the edges to questions `x` outside the graph, and its gradient."""
        import numpy as np

        p, aligned = self.passed(w), x @ w["align"]
        z = aligned @ p.out.T / aligned.shape[1]
        loss = float((np.logaddexp(0, z) - label * z).mean())
        d_z = (1 / (1 + np.exp(-z)) - label) / z.size / aligned.shape[1]
        d_out = d_z.T @ aligned
        d_question = self.gain @ (d_out @ w["take"].T) / max(1, len(self.x)) * (p.question > 0)
        d_member = d_out @ w["keep"].T * (p.member > 0)
        d_start = self.gain.T @ (d_question @ w["ask_heard"].T) + d_member @ w["own_self"].T
        return loss, {
            "align": x.T @ (d_z @ p.out) + self.x.T @ (d_question @ w["ask_self"].T) + p.told.T @ (d_member @ w["own_met"].T),
            "describe": p.told.T @ d_start, "keep": p.member.T @ d_out, "take": p.message.T @ d_out,
            "ask_self": p.asked.T @ d_question, "ask_heard": p.heard.T @ d_question,
            "own_self": p.start.T @ d_member, "own_met": p.met.T @ d_member}


@dataclass(frozen=True, slots=True)
class Passed:
    """What is known on the way; `out` [members, width] is what members are after it."""

    told: np.ndarray
    start: np.ndarray
    met: np.ndarray
    asked: np.ndarray
    heard: np.ndarray
    question: np.ndarray
    member: np.ndarray
    message: np.ndarray
    out: np.ndarray


def drawn(width: int, hidden: int, rng: np.random.Generator) -> Weights:
    """Random weights for vectors of `width`."""
    import numpy as np

    wide = {k: rng.standard_normal((width, hidden)) for k in ("align", "describe")}
    deep = {k: rng.standard_normal((hidden, hidden)) / np.sqrt(hidden)
            for k in ("ask_self", "ask_heard", "own_self", "own_met", "keep", "take")}
    return {**wide, **deep}


def trained(x: np.ndarray, reward: np.ndarray, label: np.ndarray, scores: np.ndarray, hidden: int, masked: float,
            batch: int, descent: Descent) -> tuple[Weights, Lean]:
    """Weights that tell best on a held-out fifth of the questions, and how far to believe them.

    Every step draws `batch` questions and hides the share `masked` of them with all their edges, as a new question has
    none: no edge is both seen and predicted.
    """
    import numpy as np

    here, held = parts(len(x))
    rng, graph, standing = np.random.default_rng(0), Graph.of(x, reward), scores.mean(axis=0)
    seen = graph.among(here)

    def slope(w: Weights, step: int) -> Weights:
        """Gradient on the hidden questions of a random batch."""
        seen, hidden = masks(here, batch, masked, rng)
        return graph.among(seen).slope(w, x[hidden], label[hidden])[1]

    def lean(w: Weights) -> Lean:
        """How far edges move the scores of the held-out questions."""
        out, align = seen.passed(w).out, w["align"]
        return Lean.of(x[held] @ align @ out.T, scores[held], standing, (x[here] @ align @ out.T).mean(axis=0))

    found = descent.down(drawn(x.shape[1], hidden, rng), slope, lambda w: lean(w).gain)
    return found, lean(found)


def masks(rows: np.ndarray, batch: int, masked: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random part of the rows: those whose edges are seen, and those whose edges are predicted."""
    chosen = rng.permutation(rows)[:batch]
    cut = min(max(1, round(masked * len(chosen))), max(1, len(chosen) - 1))
    return chosen[cut:], chosen[:cut]
