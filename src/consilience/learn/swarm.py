"""Particle swarm optimisation, and matrices read as graphs (Heterogeneous Swarms, arXiv 2502.04510)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from consilience.learn.dags import Node

if TYPE_CHECKING:
    import numpy as np

PULLS = (0.2, 0.3, 0.4, 0.05)
"""Weights of inertia, own best, swarm's best and (away from the) swarm's worst."""
STEP, SLOWER, SLOWEST = 0.5, 0.95, 0.1
"""Length of a step, its factor per iteration, and its least value."""
RESTART = 3
"""Iterations without a gain after which a particle goes back to its own best."""


def velocity(x: np.ndarray, v: np.ndarray, own: np.ndarray, best: np.ndarray, worst: np.ndarray,
             pulls: Sequence[float] | np.ndarray) -> np.ndarray:
    """The next velocity: the four pulls weighted, by the sum of the weights."""
    inertia, near, far, away = pulls
    return (inertia * v + near * (own - x) + far * (best - x) + away * (x - worst)) / sum(pulls)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Swarm:
    """Particles at `x` [particles, ...] with velocities `v`, their best places `own` and values there [particles], the best
    and the worst place of all, and how long each particle (`stale`) and all (`still`) have gained nothing."""

    x: np.ndarray
    v: np.ndarray
    own: np.ndarray
    value: np.ndarray
    best: np.ndarray
    peak: float
    worst: np.ndarray
    depth: float
    stale: np.ndarray
    still: int = 0
    step: float = STEP

    @classmethod
    def start(cls, particles: int, shape: tuple[int, ...], rng: np.random.Generator) -> Self:
        """Particles all over [-1, 1], each moving towards another."""
        import numpy as np

        x = rng.uniform(-1, 1, (particles, *shape))
        low = np.full(particles, -np.inf)
        return cls(x, x[rng.permutation(particles)] - x, x.copy(), low, x[0].copy(), -np.inf, x[0].copy(), np.inf,
                   np.zeros(particles, int))

    def seen(self, values: Sequence[float]) -> Self:
        """After the values at `x` are known; among equals the older best stays."""
        import numpy as np

        found = np.asarray(values, dtype=np.float64)
        gained = found > self.value + 1e-12
        wide = gained.reshape(-1, *(1,) * (self.x.ndim - 1))
        top, bottom = int(found.argmax()), int(found.argmin())
        up, down = found[top] > self.peak + 1e-12, found[bottom] < self.depth
        return replace(self, own=np.where(wide, self.x, self.own), value=np.where(gained, found, self.value),
                       best=self.x[top].copy() if up else self.best, peak=float(found[top]) if up else self.peak,
                       worst=self.x[bottom].copy() if down else self.worst, depth=float(found[bottom]) if down else self.depth,
                       stale=np.where(gained, 0, self.stale + 1), still=0 if up else self.still + 1)

    def moved(self, rng: np.random.Generator) -> Self:
        """After one step; each pull of each particle has its own chance factor. Particles long without a gain go on from
        their best place with a new velocity."""
        import numpy as np

        pulls = (np.array(PULLS) * rng.random((len(self.x), 4))).T.reshape(4, -1, *(1,) * (self.x.ndim - 1))
        v = velocity(self.x, self.v, self.own, self.best, self.worst, pulls)
        tired = self.stale >= RESTART
        wide = tired.reshape(-1, *(1,) * (self.x.ndim - 1))
        v, x = np.where(wide, rng.uniform(-1, 1, self.x.shape), v), np.where(wide, self.own, self.x)
        return replace(self, x=x + self.step * v, v=v, stale=np.where(tired, 0, self.stale),
                       step=max(SLOWEST, self.step * SLOWER))


def decode(matrix: np.ndarray) -> tuple[Node, ...]:
    """The graph of a matrix [members, members]: its last node is the one with the least out-degree (by 1/out-degree), then
    the unplaced node with the highest out-degree is linked to the placed one that its row likes best. Every other node has
    one edge; the order is topological; ties go to the lower place. The diagonal counts nothing; `matrix` stays as it is."""
    import numpy as np

    x = matrix - np.diag(np.diag(matrix))
    out = x.sum(axis=1)
    end = int(np.argmax(1 / (out + 1e-6)))
    placed, to = [end], {}
    for u in sorted((i for i in range(len(x)) if i != end), key=lambda i: (-out[i], i)):
        to[u] = max(placed, key=lambda p: (x[u, p], -p))
        placed.append(u)
    order = placed[::-1]
    where = {u: i for i, u in enumerate(order)}
    return tuple(Node(u, "fuse", tuple(sorted(where[s] for s, t in to.items() if t == u))) for u in order)
