"""What becomes of one tensor: the arithmetic of merging, in float32. Rules are values, equal by their options."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from consilience.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


class Rule(Protocol):
    """Makes one tensor of those of the models. `whole` rules see a tensor at once, others may get some of its rows."""

    @property
    def needs_base(self) -> bool:
        """Whether there must be a base checkpoint."""
        ...

    @property
    def whole(self) -> bool:
        """Whether a tensor must not be cut into chunks of rows."""
        ...

    def combine(self, name: str, tensors: Sequence[Tensor | None], weights: Sequence[float], base: Tensor | None,
                seed: int) -> Tensor:
        """Float32 tensors of one shape, one per model (None where a model does not have it), to a float32 tensor."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """`sum_i w_i theta_i`, divided by `sum w_i` unless told otherwise; over the models that have the tensor."""

    normalize: bool = True

    @property
    def needs_base(self) -> bool:
        """No."""
        return False

    @property
    def whole(self) -> bool:
        """No."""
        return False

    def combine(self, name: str, tensors: Sequence[Tensor | None], weights: Sequence[float], base: Tensor | None,
                seed: int) -> Tensor:
        """The weighted mean or sum."""
        held = [(w, t) for w, t in zip(weights, tensors, strict=True) if t is not None]
        total = sum(w for w, _ in held)
        if self.normalize and total == 0:
            raise ConfigError(f"{name}: weights that sum to 0 cannot be normalized")
        # w / total first: copies of one tensor then come out as it, up to one rounding.
        shares = [w / total if self.normalize else w for w, _ in held]
        made = held[0][1] * shares[0]
        for share, (_, tensor) in zip(shares[1:], held[1:], strict=True):
            made = made.add(tensor, alpha=share)
        return made


@dataclass(frozen=True, slots=True)
class TaskVectors:
    """`theta_0 + scale * sum_i w_i tau_i` with `tau_i = theta_i - theta_0`, and what TIES and DARE do to it.

    `drop` sparsifies each task vector to `density`: by magnitude (TIES) or at random with rescaling (DARE; `rescale`
    by `density` as in the paper, or so that the L1 norm stays, as mergekit does). `elect` keeps per element only the
    values of the sign that weighs more (a tie counts as +) and divides by the weights that agree.
    """

    scale: float = 1.0
    drop: Literal["none", "magnitude", "random"] = "none"
    density: float = 1.0
    elect: bool = False
    rescale: Literal["density", "norm"] = "density"

    @property
    def needs_base(self) -> bool:
        """Yes."""
        return True

    @property
    def whole(self) -> bool:
        """Sparsifying looks at the whole tensor."""
        return self.drop != "none"

    def combine(self, name: str, tensors: Sequence[Tensor | None], weights: Sequence[float], base: Tensor | None,
                seed: int) -> Tensor:
        """The merged tensor; a model that does not have it has the task vector 0."""
        import torch

        if base is None:
            raise ConfigError(f"{name}: merging task vectors needs the base checkpoint's tensor")
        total, agreeing = torch.zeros_like(base), torch.zeros_like(base)
        vectors = [w * self._sparse(t - base, name, i, seed)
                   for i, (w, t) in enumerate(zip(weights, tensors, strict=True)) if t is not None]
        used = [w for w, t in zip(weights, tensors, strict=True) if t is not None]
        if not self.elect:
            for vector in vectors:
                total += vector
            return base + self.scale * total
        sign = torch.where(sum(vectors, torch.zeros_like(base)) >= 0, 1.0, -1.0)
        for w, vector in zip(used, vectors, strict=True):
            agrees = vector * sign > 0
            total += vector * agrees
            agreeing += w * agrees
        return base + self.scale * torch.where(agreeing == 0, 0.0, total / torch.where(agreeing == 0, 1.0, agreeing))

    def _sparse(self, tau: Tensor, name: str, index: int, seed: int) -> Tensor:
        if self.drop == "none" or self.density >= 1:
            return tau
        if self.drop == "magnitude":
            return tau * largest(tau, self.density)
        mask = random_mask(tuple(tau.shape), self.density, name, index, seed)
        return dropped(tau, mask, self.density if self.rescale == "density" else None)


def dropped(tau: Tensor, mask: Tensor, density: float | None) -> Tensor:
    """What the mask keeps, divided by `density`; without one, scaled so that the L1 norm stays."""
    kept = tau * mask
    if density is not None:
        return kept / density
    norm = kept.abs().sum()
    return kept * (tau.abs().sum() / norm) if norm > 0 else kept


def largest(tau: Tensor, density: float) -> Tensor:
    """Mask of the `max(1, floor(density * n))` largest magnitudes; ties by index."""
    import torch

    size = tau.abs().flatten()
    keep = max(1, int(density * size.numel()))
    threshold = torch.kthvalue(size, size.numel() - keep + 1).values
    mask = size > threshold
    ties = torch.nonzero(size == threshold).flatten()[:keep - int(mask.sum())]
    mask[ties] = True
    return mask.reshape(tau.shape)


def random_mask(shape: tuple[int, ...], density: float, name: str, index: int, seed: int) -> Tensor:
    """Bernoulli mask, drawn from (seed, tensor, model) alone."""
    import torch

    drawn = hashlib.sha256(f"{seed}/{name}/{index}".encode()).digest()[:8]
    generator = torch.Generator().manual_seed(int.from_bytes(drawn, "big") >> 1)
    return torch.rand(shape, generator=generator) < density
