"""The local host: checkpoints on one device, under a memory budget, served by one thread.

Coroutines are written per question; the host executes per model. Calls wait in queues by what they need (a set of
checkpoints, an operation, a combiner). The thread serves the queues of resident models, the fullest first, in batches
that rows join and leave, and swaps only when those are empty and no asking coroutine is ready to run. A set of
checkpoints is granted whole or not at all.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from consilience.errors import MissingExtraError, ModelError, TeamError
from consilience.model import Combiner
from consilience.models.local.checkpoint import Checkpoint
from consilience.models.local.quiet import settle

if TYPE_CHECKING:
    import torch

    from consilience.models.local.loading import Loaded

LEAST_CACHE = 64 << 20
SETTLE = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a call needs: calls of equal work share batches. `vocabulary` is the number of ids in use (decoding)."""

    checkpoints: tuple[Checkpoint, ...]
    operation: str
    combiner: Combiner | None = None
    vocabulary: int = 0


@dataclass(slots=True)
class HostStats:
    """What the host has done. `loads` by folder name; a swap is a load that made another model leave."""

    loads: Counter[str] = field(default_factory=Counter)
    swaps: int = 0
    rows: int = 0
    steps: int = 0
    busy: float = 0.0
    """Seconds spent on batches, loading not included."""
    loading: float = 0.0


class _Call:
    """One waiting call: its items, and the future of the loop that asked."""

    def __init__(self, work: Work, items: Sequence[Any]) -> None:
        self.work, self.items = work, list(items)
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[Any]] = self.loop.create_future()
        self.results: list[Any] = [None] * len(items)
        self.left = len(items)
        self.cancelled = False
        self.since = time.monotonic()

    def deliver(self, index: int, result: Any) -> None:
        """Note one result; the last one, or an error, wakes the caller."""
        self.results[index] = result
        self.left -= 1
        if isinstance(result, Exception):
            self._wake(result)
        elif self.left == 0:
            self._wake(None)

    def _wake(self, error: Exception | None) -> None:
        def wake() -> None:
            if self.future.done():
                return
            if error is not None:
                self.future.set_exception(error)
            else:
                self.future.set_result(self.results)

        try:
            self.loop.call_soon_threadsafe(wake)
        except RuntimeError:        # the asking loop is closed: nobody waits any more
            self.cancelled = True


@dataclass(slots=True, eq=False)
class _Item:
    call: _Call
    index: int

    @property
    def payload(self) -> Any:
        """What is to be worked on."""
        return self.call.items[self.index]


class LocalHost:
    """Runs local checkpoints in a thread of its own.

    `memory`: bytes for weights and caches together; by default half of the free memory of the machine, or nine tenths
    of the GPU's. A quarter of it (`cache` bytes, at least 64 MiB) is for KV caches. `device`: `auto`, `cpu`, `cuda`,
    `cuda:1`. `dtype`: `auto` (float32 on a CPU; as saved on a GPU), `float32`, `bfloat16`, `float16`. `threads` of
    PyTorch: one is best for small models. `lanes`: most rows of a batch. `patience`: seconds that a call may wait
    while other models are busy before the host swaps for it all the same; None (benchmarks) never does.
    """

    def __init__(self, memory: int | None = None, *, device: str = "auto", dtype: str = "auto", threads: int = 1,
                 lanes: int = 128, cache: int | None = None, waiting: int = 1 << 20, patience: float | None = None,
                 grace: float = 0.01) -> None:
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("local", "running checkpoints in this process") from error
        self.device = torch.device(device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = dtype
        self.memory = memory if memory is not None else _free_memory(self.device)
        self.cache = cache if cache is not None else max(LEAST_CACHE, self.memory // 4)
        self.weights = self.memory - (cache if cache is not None else self.memory // 4)
        self.threads, self.lanes, self.patience, self.grace = threads, lanes, patience, grace
        self.stats = HostStats()
        self._most_waiting = waiting
        self._changed = threading.Condition()
        self._queues: dict[Work, deque[_Item]] = {}
        self._resident: dict[Checkpoint, Loaded] = {}
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._blocked: deque[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = deque()
        self._version = 0
        self._closed = self._served = False
        self._thread: threading.Thread | None = None

    # -- asked from event loops ------------------------------------------------------------------------------------

    async def submit(self, work: Work, items: Sequence[Any]) -> list[Any]:
        """Results of `items` (rows for `decode`, texts for the other operations), in order.

        Raises ModelError when one of them fails, TeamError when the checkpoints do not fit together. Cancelling the
        waiting call takes its rows out of the batch.
        """
        if (reason := self.refuses(work.checkpoints)) is not None:
            raise TeamError(reason)
        await self._admission()
        call = _Call(work, items)
        with self._changed:
            if self._closed:
                raise ModelError("the local host is closed", reason="down")
            self._loops.add(call.loop)
            self._queues.setdefault(work, deque()).extend(_Item(call, i) for i in range(len(items)))
            self._version += 1
            self._start()
            self._changed.notify()
        try:
            return await call.future
        except asyncio.CancelledError:
            self._cancel(call)
            raise

    async def _admission(self) -> None:
        """Wait while the queues are full."""
        while True:
            with self._changed:
                if self.waiting < self._most_waiting:
                    return
                room = asyncio.Event()
                self._blocked.append((asyncio.get_running_loop(), room))
            await room.wait()

    @property
    def waiting(self) -> int:
        """Rows in the queues."""
        return sum(map(len, self._queues.values()))

    @property
    def resident(self) -> tuple[Checkpoint, ...]:
        """The checkpoints in memory, least recently used first."""
        return tuple(self._resident)

    def refuses(self, checkpoints: Sequence[Checkpoint]) -> str | None:
        """Why these checkpoints cannot be in memory together, or None when they can."""
        need = {c: self.size(c) for c in checkpoints}
        if sum(need.values()) <= self.weights:
            return None
        parts = ", ".join(f"{c.path.name} {_mb(size)}" for c, size in need.items())
        return (f"{'these models do' if len(need) > 1 else 'this model does'} not fit into the local host's memory: {parts}, "
                f"together {_mb(sum(need.values()))}, but {_mb(self.weights)} of {_mb(self.memory)} are for weights. "
                "Give LocalHost(memory=...) more, or use smaller models")

    def size(self, checkpoint: Checkpoint) -> int:
        """Bytes of a checkpoint's weights in the type that they run in."""
        return checkpoint.parameters * self.dtype_of(checkpoint).itemsize

    def dtype_of(self, checkpoint: Checkpoint) -> torch.dtype:
        """The type that a checkpoint runs in."""
        import torch
        name = self.dtype
        if name == "auto":
            name = "float32" if self.device.type == "cpu" else checkpoint.stored_dtype
        found = getattr(torch, name.removeprefix("torch."), None)
        if not isinstance(found, torch.dtype):
            raise ModelError(f"unknown dtype {name!r}; known: auto, float32, bfloat16, float16")
        return found

    def _cancel(self, call: _Call) -> None:
        with self._changed:
            call.cancelled = True
            for item in call.items:
                if hasattr(item, "cancelled"):
                    item.cancelled = True
            queue = self._queues.get(call.work)
            if queue is not None:
                self._queues[call.work] = deque(i for i in queue if i.call is not call)

    def close(self) -> None:
        """Stop the thread and let the models go; waiting calls fail."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="consilience-host", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    # -- the thread ------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        import torch
        torch.set_num_threads(self.threads)
        while (work := self._choose()) is not None:
            self._work(work)
        with self._changed:
            left = [item for queue in self._queues.values() for item in queue]
            self._queues.clear()
            self._resident.clear()
        for item in left:
            item.call.deliver(item.index, ModelError("the local host was closed", reason="down"))

    def _work(self, work: Work) -> None:
        """Serve one queue until it is empty. The edge of the thread: whatever fails reaches the callers."""
        self._served = False
        try:
            loaded = self._grant(work.checkpoints)
            begun = time.perf_counter()
            (self._decode if work.operation == "decode" else self._forward)(work, loaded)
            self.stats.busy += time.perf_counter() - begun
        except Exception as error:
            told = error if isinstance(error, ModelError) else ModelError(f"{type(error).__name__}: {error}")
            for item in self._take(work, None):
                item.call.deliver(item.index, told)

    def _choose(self) -> Work | None:
        """The next queue to serve; waits for one. None when the host is closed."""
        while True:
            with self._changed:
                while not self._closed and not self.waiting:
                    self._changed.wait()
                if self._closed:
                    return None
                live = [w for w, queue in self._queues.items() if queue]
                ready = [w for w in live if all(c in self._resident for c in w.checkpoints)]
                late = self._late(live)
                seen = self._version
                pick = late or self._fullest(ready) or (self._fullest([w for w in live if self._room_beside(w)]))
                loops = list(self._loops)
            if pick is not None:
                return pick
            settle(loops, SETTLE)
            with self._changed:
                if self._version == seen and not self._closed:
                    self._changed.wait(self.grace)
                if self._version == seen and not self._closed:
                    pick = self._fullest([w for w, queue in self._queues.items() if queue])
            if pick is not None:
                return pick

    def _fullest(self, works: Sequence[Work]) -> Work | None:
        return max(works, key=lambda w: len(self._queues[w]), default=None)

    def _late(self, works: Sequence[Work]) -> Work | None:
        """The work whose oldest call has waited longer than `patience`."""
        if self.patience is None:
            return None
        oldest = min(works, key=lambda w: self._queues[w][0].call.since, default=None)
        if oldest is None or time.monotonic() - self._queues[oldest][0].call.since < self.patience:
            return None
        return oldest

    def _room_beside(self, work: Work) -> bool:
        """Whether the checkpoints fit beside those in memory."""
        together = {*self._resident, *work.checkpoints}
        return sum(self.size(c) for c in together) <= self.weights

    def _take(self, work: Work, most: int | None) -> list[_Item]:
        """Items from the front of a queue; none while another queue has lost its patience or the host is closing."""
        with self._changed:
            queue = self._queues.get(work)
            if not queue:
                self._queues.pop(work, None)
                return []
            others = [w for w, q in self._queues.items() if q and w != work]
            if most is not None and (self._closed or (self._served and self._late(others) is not None)):
                return []
            self._served = True
            taken = [queue.popleft() for _ in range(len(queue) if most is None else min(most, len(queue)))]
            if self._blocked and self.waiting < self._most_waiting:
                blocked, self._blocked = self._blocked, deque()
                for loop, room in blocked:
                    _call_in(loop, room.set)
        return [item for item in taken if not item.call.cancelled]

    def _grant(self, checkpoints: Sequence[Checkpoint]) -> list[Loaded]:
        """All checkpoints of a set in memory; those least recently used leave when room is needed."""
        from consilience.models.local.loading import load
        self._evict(checkpoints)
        for checkpoint in dict.fromkeys(checkpoints):
            if checkpoint in self._resident:
                self._resident[checkpoint] = self._resident.pop(checkpoint)
                continue
            begun = time.perf_counter()
            self._resident[checkpoint] = load(checkpoint, self.dtype_of(checkpoint), self.device)
            self.stats.loads[checkpoint.path.name] += 1
            self.stats.loading += time.perf_counter() - begun
        return [self._resident[c] for c in checkpoints]

    def _evict(self, wanted: Sequence[Checkpoint]) -> None:
        left = 0
        while sum(self.size(c) for c in {*self._resident, *wanted}) > self.weights:
            oldest = next((c for c in self._resident if c not in wanted), None)
            if oldest is None:
                break
            del self._resident[oldest]
            left += 1
        if left:
            self.stats.swaps += 1
            if self.device.type == "cuda":
                import torch
                torch.cuda.empty_cache()

    def _forward(self, work: Work, loaded: Sequence[Loaded]) -> None:
        from consilience.models.local.forward import OPERATIONS
        while items := self._take(work, 1024):
            self.stats.rows += len(items)
            try:
                outcomes = OPERATIONS[work.operation](loaded[0], [item.payload for item in items])
            except Exception as error:      # the edge of the thread
                told = ModelError(f"{type(error).__name__}: {error}")
                for item in items:
                    item.call.deliver(item.index, told)
                continue
            for item, outcome in zip(items, outcomes, strict=True):
                item.call.deliver(item.index, outcome)

    def _decode(self, work: Work, loaded: Sequence[Loaded]) -> None:
        from consilience.decode.engine import Engine, Row
        engine = Engine([one.bound.slots() for one in loaded if one.bound is not None], work.combiner, work.vocabulary,
                        lanes=self.lanes, room=self.cache)
        items: dict[Row, _Item] = {}

        def done(row: Row) -> None:
            item = items.pop(row)
            gone = ModelError("the local host was closed", reason="down") if row.reason == "cancelled" else None
            item.call.deliver(item.index, row.error or gone or row)

        def source(most: int) -> list[Row]:
            if self._closed:
                for row in engine.rows:
                    row.cancelled = True
            rows = []
            for item in self._take(work, most):
                row = item.payload
                row.done = done
                items[row] = item
                rows.append(row)
            self.stats.rows += len(rows)
            return rows

        try:
            engine.run(source)
        except Exception as error:          # the edge of the thread
            told = error if isinstance(error, ModelError) else ModelError(f"{type(error).__name__}: {error}")
            for item in items.values():
                item.call.deliver(item.index, told)
        finally:
            self.stats.steps += engine.steps


def _call_in(loop: asyncio.AbstractEventLoop, call: Any) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        pass


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def _free_memory(device: torch.device) -> int:
    import torch
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * 0.9)
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError):
        return 4 << 30


@cache
def default_host() -> LocalHost:
    """The host of this process, for models that name none."""
    return LocalHost()
