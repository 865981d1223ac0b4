"""One member's share of the rows: what it has read of each, and its distributions when it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os.path import commonprefix

import torch
from torch import Tensor

from consilience.decode.row import Row
from consilience.decode.slots import TOKENS, Slots, bucket

PREFILL = 4096
"""Most tokens, padding included, of one forward that catches up."""
ALIKE = 64
"""Tokens with which prompts must begin alike to be read together so far."""
WORTH = 256
"""Tokens that this must save."""
LEFT = 16
"""Tokens that are left of each, at least: one or two alone take another path through a model, with other last bits."""


@dataclass(frozen=True, slots=True)
class _Job:
    """Tokens that a row has to be fed; `twins` are empty rows that need the very same ones."""

    index: int
    place: int
    ids: Sequence[int]
    twins: tuple[tuple[int, int], ...] = ()


class Feed:
    """The slots of one member, fed on demand: rows that it was not asked about catch up in one forward."""

    def __init__(self, slots: Slots, member: int, vocabulary: int) -> None:
        self.slots, self.member, self.vocabulary = slots, member, vocabulary

    def ask(self, places: Sequence[int], rows: Sequence[Row], wants: Sequence[int] | None = None, *,
            states: bool = False) -> tuple[Tensor, Tensor | None]:
        """Float32 logits after the last token of each of `rows`, which live at `places` (rising): [rows, vocabulary].

        With `wants`, after the last `wants[i]` tokens of each, [rows, most, vocabulary], the last one at the end. Also
        the last hidden states [rows, width] where `states` says so.
        """
        last = 1 if wants is None else max(wants)
        pending = [self._pending(place, row, 1 if wants is None else wants[i])
                   for i, (place, row) in enumerate(zip(places, rows, strict=True))]
        for row, ids in zip(rows, pending, strict=True):
            row.asked[self.member] += 1
            row.read[self.member] += len(ids)
        if last == 1 and all(len(ids) == 1 for ids in pending):
            logits, hidden = self.slots.push_with_states(places, pending, states=states)
            return logits[:, :self.vocabulary] if wants is None else logits[:, None, :self.vocabulary], hidden
        return self._catch_up(places, pending, last, states, flat=wants is None)

    def _pending(self, place: int, row: Row, least: int) -> Sequence[int]:
        """What the member has not read of a row; at least so many tokens, for logits come from what is pushed."""
        held = self.slots.length[place]
        if row.bridge is not None:
            self.slots.rollback(place, held - row.bridge.keep(self.member, held))
            held = self.slots.length[place]
        ids = row.pending(self.member, held)
        if len(ids) < least:
            self.slots.rollback(place, least - len(ids))
            ids = row.pending(self.member, self.slots.length[place])
        return ids

    def _catch_up(self, places: Sequence[int], pending: Sequence[Sequence[int]], last: int, states: bool,
                  flat: bool) -> tuple[Tensor, Tensor | None]:
        parts: list[Tensor] = []
        states_parts: list[Tensor] = []
        order: list[int] = []
        for chunk in _chunks(self._begun(self._jobs(places, pending), last)):
            got, state = self.slots.push_with_states([j.place for j in chunk], [j.ids for j in chunk], last=last, states=states)
            got = got[:, None, :self.vocabulary] if last == 1 else got[..., :self.vocabulary]
            if got.shape[1] < last:
                got = torch.cat([got.new_zeros(len(got), last - got.shape[1], got.shape[2]), got], 1)
            for job in chunk:
                self.slots.fork(job.place, [place for _, place in job.twins])
            origin = [i for i, job in enumerate(chunk) for _ in range(1 + len(job.twins))]
            order += [index for job in chunk for index in (job.index, *(i for i, _ in job.twins))]
            whole = len(origin) == len(chunk)
            parts.append(got if whole else got[origin])
            if state is not None:
                states_parts.append(state if whole else state[origin])
        logits, hidden = torch.cat(parts), torch.cat(states_parts) if states_parts else None
        if order != list(range(len(order))):
            back = sorted(range(len(order)), key=order.__getitem__)
            logits, hidden = logits[back], hidden[back] if hidden is not None else None
        return logits[:, 0] if flat else logits, hidden

    def _jobs(self, places: Sequence[int], pending: Sequence[Sequence[int]]) -> list[_Job]:
        """Empty rows of equal text share one job, and are forked when it is done."""
        jobs: list[_Job] = []
        shared: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for index, (place, ids) in enumerate(zip(places, pending, strict=True)):
            if self.slots.length[place]:
                jobs.append(_Job(index, place, ids))
            else:
                shared.setdefault(tuple(ids), []).append((index, place))
        return jobs + [_Job(*same[0], ids, tuple(same[1:])) for ids, same in shared.items()]

    def _begun(self, jobs: list[_Job], last: int) -> list[_Job]:
        """The jobs, once what empty rows begin with alike is read by one of them and copied to the others."""
        left = {job.index: job for job in jobs}
        for run, size in _alike([job for job in jobs if not self.slots.length[job.place]], max(last, LEFT)):
            if (len(run) - 1) * size < WORTH:
                continue
            self.slots.push([run[0].place], [run[0].ids[:size]])
            self.slots.fork(run[0].place, [job.place for job in run[1:]])
            left |= {job.index: replace(job, ids=job.ids[size:]) for job in run}
        return list(left.values())

    def settle(self, place: int, row: Row) -> None:
        """Forget what the row has not kept."""
        surplus = self.slots.length[place] - row.settled(self.member)
        if surplus > 0:
            self.slots.rollback(place, surplus)


def _alike(jobs: list[_Job], least: int) -> Iterator[tuple[list[_Job], int]]:
    """Jobs in runs that begin alike, and how many tokens of a run are the same; `least` of each are left."""
    run, size = list[_Job](), 0
    for job in sorted(jobs, key=lambda job: tuple(job.ids)):
        same = min(size, len(job.ids) - least, len(commonprefix([tuple(run[-1].ids), tuple(job.ids)]))) if run else 0
        if same < ALIKE:
            yield run, size
            run, same = [], len(job.ids) - least
        run, size = [*run, job], same
    yield run, size


def _chunks(jobs: list[_Job]) -> Iterator[list[_Job]]:
    """Jobs in groups that fit one forward and waste little on padding; a group is in rising order of place."""
    chunk: list[_Job] = []
    for job in sorted(jobs, key=lambda j: -len(j.ids)):
        size, top = len(job.ids), len(chunk[0].ids) if chunk else 0
        apart = bucket(size) != bucket(top) if size <= TOKENS // 2 else top > 2 * size + 64
        if chunk and ((len(chunk) + 1) * top > PREFILL or apart):
            yield sorted(chunk, key=lambda j: j.place)
            chunk = []
        chunk.append(job)
    if chunk:
        yield sorted(chunk, key=lambda j: j.place)
