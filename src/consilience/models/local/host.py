"""The local host: checkpoints on one device, under a memory budget, served by one thread.

Coroutines are written per question; the host executes per model. Calls wait in queues by what they need (a set of
checkpoints, an operation, a combiner). The thread serves the queues of resident models, the fullest first, in batches
that rows join and leave, and swaps only when those are empty and no asking coroutine is ready to run. A set of
checkpoints is granted whole or not at all.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
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
from consilience.models.local.calls import Call, Item, Work, call_in
from consilience.models.local.checkpoint import Checkpoint
from consilience.models.local.quiet import settle
from consilience.models.local.residency import Residency, free_memory

if TYPE_CHECKING:
    import torch

    from consilience.decode.engine import Engine
    from consilience.decode.row import Row
    from consilience.models.local.loading import Loaded

LEAST_CACHE = 64 << 20
"""Bytes that KV caches may always take."""
SETTLE = 1.0
"""Seconds that a swap waits, at most, for event loops that never come to rest."""
TEXTS = 1024
"""Most texts of one batch of plain forwards."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class HostStats:
    """What the host has done. `loads` by folder name; a swap is a grant that made other models leave."""

    loads: Counter[str] = field(default_factory=Counter)
    swaps: int = 0
    rows: int = 0
    steps: int = 0
    busy: float = 0.0
    """Seconds spent on batches."""
    loading: float = 0.0
    """Seconds spent on loading."""


class LocalHost:
    """Runs local checkpoints in a thread of its own.

    `memory`: bytes for weights and caches together; by default half of the free memory of the machine, or nine tenths
    of the GPU's. A quarter of it (`cache` bytes, at least 64 MiB) is for KV caches. `device`: `auto`, `cpu`, `cuda`,
    `cuda:1`. `dtype`: `auto` (float32 on a CPU; as saved on a GPU), `float32`, `bfloat16`, `float16`. `threads` of
    PyTorch: one is best for small models. `lanes`: most rows of a batch. `waiting`: rows in the queues above which
    callers wait. `patience`: seconds that a call may wait while other models are busy before the host swaps for it all
    the same; None, for benchmarks, never does. `grace`: seconds without new calls before a swap.
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
        self.memory = memory if memory is not None else free_memory(self.device)
        share = cache if cache is not None else self.memory // 4
        self.cache = share if cache is not None else max(LEAST_CACHE, share)
        self.threads, self.lanes, self.patience, self.grace = threads, lanes, patience, grace
        self.stats = HostStats()
        self._residency = Residency(self.device, dtype, self.memory - share)
        self._most_waiting = waiting
        self._changed = threading.Condition()
        self._queues: dict[Work, deque[Item]] = {}
        self._loops: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        self._blocked: deque[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = deque()
        self._version = 0
        self._closed = False
        self._served = False
        self._thread: threading.Thread | None = None

    # -- asked from event loops ------------------------------------------------------------------------------------

    async def submit(self, work: Work, payloads: Sequence[Any]) -> list[Any]:
        """Results of `payloads` (rows for `decode`, texts for the other operations), in order.

        Raises ModelError when one of them fails, TeamError when the checkpoints do not fit together. Cancelling the
        waiting call takes its rows out of the batch.
        """
        if (reason := self.refuses(work.checkpoints)) is not None:
            raise TeamError(reason)
        await self._admission()
        call = Call(work, payloads)
        with self._changed:
            if self._closed:
                raise _closed()
            self._loops.add(call.loop)
            self._queues.setdefault(work, deque()).extend(call.items)
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
                if self.waiting < self._most_waiting or self._closed:
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
        return tuple(self._residency.loaded)

    def refuses(self, checkpoints: Sequence[Checkpoint]) -> str | None:
        """Why these checkpoints cannot be in memory together, or None when they can."""
        return self._residency.refuses(checkpoints)

    def size(self, checkpoint: Checkpoint) -> int:
        """Bytes of a checkpoint's weights in the type that they run in."""
        return self._residency.size(checkpoint)

    def dtype_of(self, checkpoint: Checkpoint) -> torch.dtype:
        """The type that a checkpoint runs in."""
        return self._residency.dtype_of(checkpoint)

    def _cancel(self, call: Call) -> None:
        with self._changed:
            call.cancelled = True
            for item in call.items:
                if call.work.operation == "decode":
                    item.payload.cancelled = True
            queue = self._queues.get(call.work)
            if queue is not None:
                self._queues[call.work] = deque(i for i in queue if i.call is not call)
                self._unblock()

    def close(self) -> None:
        """Stop the thread and let the models go; waiting calls fail."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            self._unblock()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)
        atexit.unregister(self.close)

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
            self._residency.loaded.clear()
        for item in left:
            item.deliver(_closed())

    def _choose(self) -> Work | None:
        """The next queue to serve; waits for one. None when the host is closed."""
        while True:
            with self._changed:
                while not self._closed and not self.waiting:
                    self._changed.wait()
                if self._closed:
                    return None
                live = [w for w, queue in self._queues.items() if queue]
                ready = [w for w in live if all(c in self._residency.loaded for c in w.checkpoints)]
                pick = self._late(live) or self._fullest(ready) or self._fullest(
                    [w for w in live if self._residency.room_beside(w.checkpoints)])
                seen, loops = self._version, list(self._loops)
            pick = pick or self._after_rest(seen, loops)
            if pick is not None:
                return pick

    def _after_rest(self, seen: int, loops: Sequence[asyncio.AbstractEventLoop]) -> Work | None:
        """The fullest queue, for which others must leave; None when a new call came while everybody came to rest."""
        settle(loops, SETTLE)
        with self._changed:
            if self._version == seen and not self._closed:
                self._changed.wait(self.grace)
            if self._version != seen or self._closed:
                return None
            return self._fullest([w for w, queue in self._queues.items() if queue])

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

    def _take(self, work: Work, most: int | None) -> list[Item]:
        """Items from the front of a queue (`most=None`: all). Once something was served, none while another queue has
        lost its patience."""
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
            self._unblock()
        return [item for item in taken if not item.call.cancelled]

    def _unblock(self) -> None:
        """Let callers in who wait for room in the queues. Called with the lock held."""
        if self._blocked and (self.waiting < self._most_waiting or self._closed):
            blocked, self._blocked = self._blocked, deque()
            for loop, room in blocked:
                call_in(loop, room.set)

    def _work(self, work: Work) -> None:
        """Serve one queue until it is empty. The edge of the thread: whatever fails reaches the callers."""
        self._served = False
        try:
            loaded = self._grant(work)
            engine = self._engine(work, loaded) if work.operation == "decode" else None
        except Exception as error:
            for item in self._take(work, None):
                item.deliver(_told(error))
            return
        begun = time.perf_counter()
        if engine is not None:
            self._decode(work, engine)
        else:
            self._forward(work, loaded)
        self.stats.busy += time.perf_counter() - begun

    def _grant(self, work: Work) -> list[Loaded]:
        loaded, new, left = self._residency.grant(work.checkpoints)
        self.stats.loads.update(c.path.name for c in new)
        self.stats.swaps += left > 0
        self.stats.loading = self._residency.seconds
        return loaded

    def _forward(self, work: Work, loaded: Sequence[Loaded]) -> None:
        from consilience.models.local.forward import OPERATIONS
        while items := self._take(work, TEXTS):
            self.stats.rows += len(items)
            try:
                outcomes = OPERATIONS[work.operation](loaded[0], [item.payload for item in items])
            except Exception as error:          # the edge of the thread
                outcomes = [_told(error)] * len(items)
            for item, outcome in zip(items, outcomes, strict=True):
                item.deliver(outcome)

    def _engine(self, work: Work, loaded: Sequence[Loaded]) -> Engine:
        from consilience.decode.engine import Engine
        from consilience.decode.policy import Material
        bound = [one.bound for one in loaded if one.bound is not None]
        if work.combiner is None or not bound:
            raise ModelError(f"{work.checkpoints[0].path} does not write")
        material = Material(work.words, [b.model.get_input_embeddings().weight for b in bound], bound[0].memo, work.mixed)
        return Engine([b.slots() for b in bound], work.combiner, work.vocabulary, lanes=self.lanes, room=self.cache,
                      material=material)

    def _decode(self, work: Work, engine: Engine) -> None:
        items: dict[Row, Item] = {}

        def done(row: Row) -> None:
            """Hand a finished row to whoever waits for it."""
            items.pop(row).deliver(row.error or (_closed() if row.reason == "cancelled" else row))

        def source(most: int) -> list[Row]:
            """Up to `most` rows that wait for this work; all are cancelled once the host is closed."""
            if self._closed:
                for row in items:
                    row.cancelled = True
            taken = self._take(work, most)
            for item in taken:
                item.payload.done = done
                items[item.payload] = item
            self.stats.rows += len(taken)
            return [item.payload for item in taken]

        try:
            engine.run(source)
        except Exception as error:              # the edge of the thread
            for item in items.values():
                item.deliver(_told(error))
        finally:
            self.stats.steps += engine.steps


def _closed() -> ModelError:
    return ModelError("the local host was closed", reason="down")


def _told(error: Exception) -> ModelError:
    """What callers get; the trace of a mistake goes to the log, for it would keep the model in memory."""
    if isinstance(error, ModelError):
        return error.with_traceback(None)
    log.error("the local host failed", exc_info=error)
    return ModelError(f"{type(error).__name__}: {error}")


@cache
def default_host() -> LocalHost:
    """The host of this process, for models that name none."""
    return LocalHost()
