"""What is in memory: checkpoints under a budget, the least recently used leaving first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from consilience.errors import ConfigError
from consilience.models.local.checkpoint import Checkpoint

if TYPE_CHECKING:
    import torch

    from consilience.decode.binding import Verdict
    from consilience.models.local.loading import Loaded


class Residency:
    """The models in memory. `budget` is bytes of weights; `dtype` is `auto`, `float32`, `bfloat16` or `float16`."""

    def __init__(self, device: torch.device, dtype: str, budget: int) -> None:
        self.device, self.dtype, self.budget = device, dtype, budget
        self.loaded: dict[Checkpoint, Loaded] = {}
        self._verdicts: dict[Checkpoint, Verdict] = {}
        self.seconds = 0.0
        """Spent on loading."""

    def dtype_of(self, checkpoint: Checkpoint) -> torch.dtype:
        """The type that a checkpoint runs in: on a CPU float32, on a GPU the one it was saved in, unless told."""
        import torch
        name = self.dtype
        if name == "auto":
            name = "float32" if self.device.type == "cpu" else checkpoint.stored_dtype
        found = getattr(torch, name.removeprefix("torch."), None)
        if not isinstance(found, torch.dtype):
            raise ConfigError(f"unknown dtype {name!r}; known: auto, float32, bfloat16, float16")
        return found

    def size(self, checkpoint: Checkpoint) -> int:
        """Bytes of a checkpoint's weights in the type that they run in."""
        return checkpoint.parameters * self.dtype_of(checkpoint).itemsize

    def together(self, checkpoints: Iterable[Checkpoint]) -> int:
        """Bytes of a set of checkpoints; equal ones are held once."""
        return sum(self.size(c) for c in set(checkpoints))

    def refuses(self, checkpoints: Sequence[Checkpoint]) -> str | None:
        """Why these checkpoints cannot be in memory together, or None when they can."""
        total = self.together(checkpoints)
        if total <= self.budget:
            return None
        parts = ", ".join(f"{c.path.name} {megabytes(self.size(c))}" for c in dict.fromkeys(checkpoints))
        who = "these models do" if len(set(checkpoints)) > 1 else "this model does"
        return (f"{who} not fit into the local host's memory: {parts}, together {megabytes(total)}, but "
                f"{megabytes(self.budget)} are for weights. Give LocalHost(memory=...) more, or use smaller models")

    def room_beside(self, checkpoints: Sequence[Checkpoint]) -> bool:
        """Whether these fit without any other leaving."""
        return self.together([*self.loaded, *checkpoints]) <= self.budget

    def grant(self, checkpoints: Sequence[Checkpoint]) -> tuple[list[Loaded], list[Checkpoint], int]:
        """All checkpoints of a set in memory; also those that had to be loaded, and how many others had to leave."""
        from consilience.models.local.loading import load
        begun, left, new = time.perf_counter(), self._evict(checkpoints), []
        for checkpoint in dict.fromkeys(checkpoints):
            if checkpoint in self.loaded:
                self.loaded[checkpoint] = self.loaded.pop(checkpoint)       # now the most recently used
                continue
            one = load(checkpoint, self.dtype_of(checkpoint), self.device, self._verdicts.get(checkpoint))
            if one.bound is not None:
                self._verdicts[checkpoint] = one.bound.verdict
            self.loaded[checkpoint] = one
            new.append(checkpoint)
        self.seconds += time.perf_counter() - begun
        return [self.loaded[c] for c in checkpoints], new, left

    def _evict(self, wanted: Sequence[Checkpoint]) -> int:
        leaving: list[Checkpoint] = []
        for oldest in [c for c in self.loaded if c not in wanted]:
            if self.room_beside(wanted):
                break
            del self.loaded[oldest]
            leaving.append(oldest)
        if leaving and self.device.type == "cuda":
            import torch
            torch.cuda.empty_cache()
        return len(leaving)


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def free_memory(device: torch.device) -> int:
    """What a host takes when it is told nothing: half of the free memory, nine tenths of a GPU's."""
    import psutil
    import torch
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * 0.9)
    return int(psutil.virtual_memory().available // 2)
