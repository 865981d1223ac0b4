"""Rows decoded token by token, over one model or several in lockstep.

Every model has its own slots, prompt and template; row `i` is the same text in all of them. At each step the members'
logits go through a combiner, one token is chosen per row, and every model is fed that token. Rows join when lanes are
free and leave when they are done; one member is ordinary generation.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from consilience.decode.sampler import Plan
from consilience.decode.slots import Slots
from consilience.errors import ModelError
from consilience.model import Combiner
from consilience.types import Sampling

PREFILL = 4096
"""Most prompt tokens, padding included, of one prefill."""


@dataclass(slots=True, eq=False)
class Row:
    """One text to be decoded: what is asked, then what came."""

    prompts: tuple[tuple[int, ...], ...]
    """Prompt ids, one tuple per member."""
    sampling: Sampling
    noise: int
    stop_ids: frozenset[int]
    limit: int
    """Most new tokens."""
    done: Callable[[Row], None]
    """Called once, from the engine's thread, when the row has left."""
    watch: Callable[[Sequence[int]], bool] | None = None
    logprobs: int | None = None
    """None: none wanted; k: with the k likeliest alternatives."""
    cancelled: bool = False

    ids: list[int] = field(default_factory=list)
    """New tokens, without the one that ended the row."""
    emitted: int = 0
    """New tokens, the ending one included."""
    marks: list[tuple[float, tuple[tuple[int, float], ...]]] = field(default_factory=list)
    """Log-probability (of the combined distribution at temperature 1) and alternatives of each of `ids`."""
    reason: str = ""
    """`stop`, `length`, `cancelled` or `error`."""
    error: ModelError | None = None
    seconds: float = 0.0
    """Its share of the time of the steps that it took part in."""


Source = Callable[[int], list[Row]]
"""Gives at most so many rows that are waiting now."""


class Engine:
    """Decodes the rows of a source until none is waiting or live.

    `vocabulary` is the number of ids in use: logits beyond it (padding of the embedding) are cut off. `room` bounds the
    bytes of all caches; at least one row is always admitted.
    """

    def __init__(self, slots: Sequence[Slots], combiner: Combiner, vocabulary: int, *, lanes: int = 128,
                 room: int | None = None) -> None:
        self.slots = list(slots)
        self.combiner = combiner
        self.vocabulary = vocabulary
        self.lanes = lanes
        self.room = room
        self.rows: list[Row] = []
        self.waiting: deque[Row] = deque()
        self.steps = 0
        self._plan: Plan | None = None
        self._joining: list[Row] = []

    @torch.inference_mode()
    def run(self, source: Source) -> None:
        """Serve `source` until it gives nothing and all rows are done."""
        while True:
            free = self.lanes - len(self.rows)
            if free >= min(2, self.lanes) or not self.rows:
                self.waiting.extend(source(free - len(self.waiting)))
                self._join(self._admitted(free))
            if self.rows:
                self._step()
            elif not self.waiting:
                return

    def unfinished(self) -> list[Row]:
        """Rows that the engine holds and has not finished, for reporting a failure."""
        return [r for r in (*self.rows, *self._joining, *self.waiting) if not r.reason]

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
        """Prefill new rows behind the live ones; rows with equal prompts share one prefill."""
        shared: dict[tuple[tuple[int, ...], ...], list[Row]] = {}
        for row in new:
            shared.setdefault(row.prompts, []).append(row)
        self._joining = list(new)
        for chunk in _chunks(sorted(shared, key=lambda p: -max(map(len, p)))):
            begun = time.perf_counter()
            lo = len(self.rows)
            logits = torch.stack([s.push(lo, [p[m] for p in chunk])[:, :self.vocabulary]
                                  for m, s in enumerate(self.slots)])
            origin = list(range(len(chunk)))
            self.rows += [shared[p][0] for p in chunk]
            for place, prompt in enumerate(chunk):
                siblings = shared[prompt][1:]
                for s in self.slots:
                    s.fork(lo + place, range(len(self.rows), len(self.rows) + len(siblings)))
                self.rows += siblings
                origin += [place] * len(siblings)
            if len(origin) > len(chunk):
                logits = logits[:, torch.tensor(origin, device=logits.device)]
            self._plan = None
            joined = self.rows[lo:]
            self._advance(lo, logits, self._plan_of(joined), begun)
        self._joining = []

    def _step(self) -> None:
        """One token for every live row."""
        begun = time.perf_counter()
        ids = [row.ids[-1:] for row in self.rows]
        logits = torch.stack([s.push(0, ids)[:, :self.vocabulary] for s in self.slots])
        if self._plan is None:
            self._plan = self._plan_of(self.rows)
        self.steps += 1
        self._advance(0, logits, self._plan, begun)

    def _plan_of(self, rows: Sequence[Row]) -> Plan:
        texts = [(*r.prompts[0], *r.ids) for r in rows] if any(r.sampling.repetition_penalty != 1 for r in rows) else [()] * len(rows)
        return Plan.of([r.sampling for r in rows], [r.noise for r in rows], self.vocabulary, texts, self.slots[0].device)

    def _advance(self, lo: int, logits: Tensor, plan: Plan, begun: float) -> None:
        """Choose a token for each of the rows from `lo` on, and let the finished ones leave."""
        rows = self.rows[lo:lo + logits.shape[1]]
        scores = self.combiner.combine(logits)
        chosen = plan.choose(scores, [row.emitted for row in rows])
        marks = self._marks(rows, scores, chosen)
        sound = torch.isfinite(scores.gather(1, chosen[:, None]))[:, 0].tolist()
        over: list[int] = []
        for place, (row, token) in enumerate(zip(rows, chosen.tolist(), strict=True)):
            reason = self._take(row, token, next(marks)) if sound[place] else "error"
            if reason:
                row.reason = reason
                over.append(lo + place)
        share = (time.perf_counter() - begun) / len(rows)
        for row in rows:
            row.seconds += share
        for place in reversed(over):
            self._leave(place)

    def _take(self, row: Row, token: int, mark: tuple[float, tuple[tuple[int, float], ...]] | None) -> str:
        """Append a token; the reason why the row is over, or an empty string."""
        row.emitted += 1
        if token in row.stop_ids:
            return "stop"
        row.ids.append(token)
        if mark is not None:
            row.marks.append(mark)
        if row.watch is not None and row.watch(row.ids):
            return "stop"
        if row.cancelled:
            return "cancelled"
        return "length" if row.emitted >= row.limit else ""

    def _marks(self, rows: Sequence[Row], scores: Tensor,
               chosen: Tensor) -> Iterator[tuple[float, tuple[tuple[int, float], ...]] | None]:
        wanted = [row.logprobs for row in rows]
        if all(w is None for w in wanted):
            yield from [None] * len(rows)
            return
        log_p = torch.log_softmax(scores, -1)
        own = log_p.gather(1, chosen[:, None])[:, 0].tolist()
        k = min(max(w or 0 for w in wanted), scores.shape[-1])
        values, ids = (t.tolist() for t in log_p.topk(k, dim=-1)) if k else ([[]] * len(rows), [[]] * len(rows))
        for place, w in enumerate(wanted):
            yield None if w is None else (own[place], tuple(zip(ids[place][:w], values[place][:w], strict=True)))

    def _leave(self, place: int) -> None:
        row = self.rows[place]
        self.rows[place] = self.rows[-1]
        self.rows.pop()
        self._plan = None
        for s in self.slots:
            if row.reason == "error":
                s.wipe(place)
            s.leave(place)
        if row.reason == "error":
            row.error = ModelError("the logits of a row were not finite numbers: the weights, or the combiner's result, "
                                   "hold NaN or rule out every token")
        row.done(row)

    def _finish(self, row: Row, reason: str) -> None:
        row.reason = reason
        row.done(row)


def _chunks(prompts: Sequence[tuple[tuple[int, ...], ...]]) -> Iterator[list[tuple[tuple[int, ...], ...]]]:
    """Prompts, longest first, in groups that fit one prefill and waste little on padding."""
    chunk: list[tuple[tuple[int, ...], ...]] = []
    for prompt in prompts:
        size, top = max(map(len, prompt)), max(map(len, chunk[0])) if chunk else 0
        if chunk and ((len(chunk) + 1) * top > PREFILL or top > 2 * size + 64):
            yield chunk
            chunk = []
        chunk.append(prompt)
    if chunk:
        yield chunk
