"""Rows decoded token by token, over one model or several.

Every model has its own slots, prompt and template; row `i` is the same text in all of them. A writer (`writers.py`,
`speculation.py`) asks the models as the combiner or policy needs them and gives every row its next tokens; a model that
was not asked catches up when it is. Rows join when lanes are free and leave when they are done; one member is ordinary
generation.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

import torch

from consilience.decode.feed import Feed
from consilience.decode.policy import Material, Policy, Speculation
from consilience.decode.row import Row
from consilience.decode.sampler import Plan
from consilience.decode.slots import Slots
from consilience.decode.speculation import Speculating
from consilience.decode.writers import HandingOver, Lockstep, Mixing, Writer
from consilience.errors import ModelError
from consilience.model import Combiner, HandOver

log = logging.getLogger(__name__)

Source = Callable[[int], list[Row]]
"""Gives at most so many rows that are waiting now."""


def writer_of(combiner: Combiner | HandOver, feeds: Sequence[Feed], material: Material) -> Writer:
    """The writer for a combiner, a policy or a speculation."""
    if isinstance(combiner, Policy):
        return (Mixing if material.mixed else HandingOver)(combiner, feeds, material)
    if not isinstance(combiner, Combiner):
        raise TypeError(f"{combiner!r} has no `combine`, and is no decode.policy.Policy")
    return Speculating(combiner, feeds) if isinstance(combiner, Speculation) and len(feeds) > 1 else Lockstep(combiner, feeds)


class Engine:
    """Decodes the rows of a source until none is waiting or live.

    `vocabulary` is the number of ids in use (one for all members, or one each): logits beyond it (padding of the
    embedding) are cut off. Members of different vocabularies need a policy that is `mixed`, and rows with a bridge.
    `room` bounds the bytes of all caches; at least one row is always admitted. When memory runs out all the same, half
    of the rows wait and go on later.
    """

    def __init__(self, slots: Sequence[Slots], combiner: Combiner | HandOver, vocabulary: int | Sequence[int], *,
                 lanes: int = 128, room: int | None = None, material: Material | None = None) -> None:
        self.slots = list(slots)
        sizes = [vocabulary] * len(slots) if isinstance(vocabulary, int) else vocabulary
        self.vocabulary = sizes[0]
        self.feeds = [Feed(s, m, size) for m, (s, size) in enumerate(zip(slots, sizes, strict=True))]
        self.writer = writer_of(combiner, self.feeds, material or Material())
        self.lanes = lanes
        self.room = room
        self.rows: list[Row] = []
        self.waiting: deque[Row] = deque()
        self.steps = 0
        self._plan: Plan | None = None

    @torch.inference_mode()
    def run(self, source: Source) -> None:
        """Serve `source` until it gives nothing and all rows are done."""
        while True:
            free, given = self.lanes - len(self.rows), 0
            if free >= min(2, self.lanes) or not self.rows:
                new = source(free - len(self.waiting)) if free > len(self.waiting) else []
                given = len(new)
                self.waiting.extend(new)
                self._join(self._admitted(free))
            if self.rows:
                self.steps += 1
                self._advance(0)
            elif not self.waiting and not given:
                return

    def _admitted(self, free: int) -> list[Row]:
        chosen: list[Row] = []
        longest = max((self._need(r) for r in self.rows), default=0)
        while self.waiting and len(chosen) < free:
            row = self.waiting[0]
            if row.cancelled:
                self._finish(self.waiting.popleft(), "cancelled")
                continue
            longest = max(longest, self._need(row))
            held = len(self.rows) + len(chosen)
            if held and self.room is not None and self._cost(held + 1, longest) > self.room:
                break
            chosen.append(self.waiting.popleft())
        return chosen

    def _need(self, row: Row) -> int:
        return max(map(len, row.prompts)) + row.limit

    def _cost(self, rows: int, columns: int) -> int:
        """Bytes of all caches when they hold so many rows and columns, with growth by doubling."""
        return sum(s.cost(rows, columns) for s in self.slots)

    def _join(self, new: Sequence[Row]) -> None:
        """Start new rows behind the live ones, and give them their first token."""
        if not new:
            return
        lo = len(self.rows)
        self.rows += sorted(new, key=lambda row: -self._read(row))
        for s in self.slots:
            s.open(len(new))
        self._plan = None
        self._advance(lo)

    def _read(self, row: Row) -> int:
        return max(map(len, row.prompts)) + len(row.ids)

    def _advance(self, lo: int) -> None:
        """Let each of the rows from `lo` on take its next tokens, and the finished ones leave."""
        begun = time.perf_counter()
        rows = self.rows[lo:]
        trouble = ""
        try:
            self.writer.write(range(lo, lo + len(rows)), rows, self._plan_of(lo, rows))
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            trouble = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if trouble:             # outside the handler, whose traceback holds on to tensors
            return self._shed(trouble)
        share = (time.perf_counter() - begun) / len(rows)
        over: list[int] = []
        for place, row in enumerate(rows, lo):
            row.seconds += share
            if row.reason:
                over.append(place)
        for place in reversed(over):
            self._leave(place)

    def _plan_of(self, lo: int, rows: Sequence[Row]) -> Plan:
        """How these rows are sampled; kept for all live rows until one joins or leaves."""
        if lo == 0 and self._plan is not None:
            return self._plan
        texts: list[Sequence[int]] = [()] * len(rows)
        if any(r.sampling.repetition_penalty != 1 for r in rows):
            texts = [(*r.prompts[0], *r.ids) for r in rows]
        plan = Plan.of([r.sampling for r in rows], [r.noise for r in rows], self.vocabulary, texts, self.slots[0].device)
        if lo == 0:
            self._plan = plan
        return plan

    def _shed(self, trouble: str) -> None:
        """Memory ran out: the later half of the rows wait and are read anew when others have left."""
        keep = len(self.rows) // 2
        log.warning("out of memory with %d rows; %d wait, and at most %d run at once from now on (%s)", len(self.rows),
                    len(self.rows) - keep, max(keep, 1), trouble)
        self.lanes = max(keep, 1)
        if not keep:
            self.rows[0].reason = "error"
            self.rows[0].error = ModelError(f"out of memory with a single row of {self._read(self.rows[0])} tokens",
                                            reason="memory")
            self._leave(0)
        for row in reversed(self.rows[keep:]):
            self.waiting.appendleft(row)
            for s in self.slots:
                s.leave(len(s.length) - 1)
        del self.rows[keep:]
        self._plan = None
        for place, row in enumerate(self.rows):
            row.draft.clear()
            for feed in self.feeds:
                feed.settle(place, row)
        for s in self.slots:
            s.shrink()

    def _leave(self, place: int) -> None:
        row = self.rows[place]
        self.rows[place] = self.rows[-1]
        self.rows.pop()
        self._plan = None
        for s in self.slots:
            if row.gone or row.reason == "error":
                s.wipe(place)
            s.leave(place)
        row.done(row)

    def _finish(self, row: Row, reason: str) -> None:
        row.reason = reason
        row.done(row)


def _out_of_memory(error: Exception) -> bool:
    """Whether PyTorch, on any device, or Python says that memory ran out."""
    text = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "not enough memory" in text or "allocate memory" in text
