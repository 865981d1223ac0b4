"""How the next tokens of a batch of rows are found: all members at once, as a policy says, or by drafting and checking.

A writer gets the live rows from a place on, asks the members' feeds, and makes every row take at least one token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from consilience.decode.feed import Feed
from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.decode.row import Mark, Row
from consilience.decode.sampler import Plan
from consilience.errors import ModelError
from consilience.model import Combiner

NOISE = 1
"""The kind of noise that policies see; 0 is that of plain drawing."""


class Writer(Protocol):
    """Makes rows take tokens. A row that is over has a `reason` afterwards."""

    def write(self, places: Sequence[int], rows: Sequence[Row], plan: Plan) -> None:
        """Find the next token, or tokens, of `rows`, which live at `places`."""
        ...


class Lockstep:
    """All members that the combiner reads are run at every token."""

    def __init__(self, combiner: Combiner, feeds: Sequence[Feed]) -> None:
        self.combiner = combiner
        self.members = read_by(combiner, len(feeds))
        self.feeds = [feeds[m] for m in self.members]

    def write(self, places: Sequence[int], rows: Sequence[Row], plan: Plan) -> None:
        logits = torch.stack([feed.ask(places, rows)[0] for feed in self.feeds])
        scores = self.combine(logits, rows)
        take(rows, scores, plan.choose(scores, [row.emitted for row in rows]))

    def combine(self, logits: Tensor, rows: Sequence[Row]) -> Tensor:
        """The combined scores; a member whose numbers are not finite leaves the rows where that is so."""
        scores = self.combiner.combine(logits)
        sound = torch.isfinite(scores.amax(-1)).tolist()
        ill = [i for i, row in enumerate(rows) if row.gone or not sound[i]]
        if len(self.feeds) == 1 or not ill:
            return scores  # type: ignore[no-any-return]
        finite = torch.isfinite(logits[:, ill].amax(-1)).T.tolist()
        groups: dict[frozenset[int], list[int]] = {}
        for i, each in zip(ill, finite, strict=True):
            for member, fine in zip(self.members, each, strict=True):
                if not fine:
                    rows[i].gone.setdefault(member, "its logits were not finite numbers")
            groups.setdefault(frozenset(self.members.index(m) for m in rows[i].gone if m in self.members), []).append(i)
        scores = scores.clone()
        for gone, which in groups.items():
            rest = [m for m in range(len(self.feeds)) if m not in gone]
            without = getattr(self.combiner, "without", None)
            other = without(gone) if gone and rest and without is not None else None
            if other is not None:
                scores[which] = other.combine(logits[rest][:, which])
        return scores


class HandingOver:
    """A policy says who is asked and who writes; see `policy.Policy`."""

    def __init__(self, policy: Policy, feeds: Sequence[Feed], material: Material) -> None:
        self.policy, self.feeds, self.material = policy, feeds, material
        self.prepared = material.prepared(policy)

    def write(self, places: Sequence[int], rows: Sequence[Row], plan: Plan) -> None:
        sight = self._first(rows, plan)
        move = self.policy.decide(sight)
        for _ in self.feeds:
            wanted = torch.zeros_like(sight.known) if move.ask is None else move.ask & ~sight.known & ~sight.gone
            if not wanted.any():
                break
            sight = self._asked(sight, wanted, places, rows)
            move = self.policy.decide(sight)
        self._written(sight, move, rows, plan)

    def _first(self, rows: Sequence[Row], plan: Plan) -> Sight:
        device, members, n = plan.greedy.device, len(self.feeds), len(rows)
        known = torch.zeros(members, n, dtype=torch.bool, device=device)
        gone = known.clone()
        for i, row in enumerate(rows):
            for member in row.gone:
                gone[member, i] = True
        indices = [row.emitted for row in rows]
        texts: Sequence[bytes] = ()
        if self.policy.reads_text:
            texts = [self.material.vocabularies[0].text(row.ids) for row in rows]
        return Sight(
            [torch.zeros(n, feed.vocabulary, device=device) for feed in self.feeds], known, gone, [None] * members,
            torch.tensor(indices, device=device),
            torch.tensor([row.state or self.policy.state for row in rows], dtype=torch.float32, device=device).reshape(n, -1),
            plan.noise(indices, NOISE)[:, 0].float(),
            torch.tensor([row.authors[-1] if row.authors else -1 for row in rows], device=device),
            torch.tensor([row.ids[-1] if row.ids else -1 for row in rows], device=device), self.prepared, texts)

    def _asked(self, sight: Sight, wanted: Tensor, places: Sequence[int], rows: Sequence[Row]) -> Sight:
        """More is known: the members were asked about the rows where `wanted`, bool [members, rows], says so."""
        logits, hidden, known, gone = list(sight.logits), list(sight.hidden), sight.known | wanted, sight.gone.clone()
        for member, feed in enumerate(self.feeds):
            which = wanted[member].nonzero()[:, 0].tolist()
            if not which:
                continue
            got, states = feed.ask([places[i] for i in which], [rows[i] for i in which],
                                   states=member in self.policy.hidden)
            finite = torch.isfinite(got.amax(-1))
            if not finite.all():
                for i, fine in zip(which, finite.tolist(), strict=True):
                    if not fine:
                        rows[i].gone[member] = "its logits were not finite numbers"
                        gone[member, i] = True
                got = torch.where(finite[:, None], got, 0.0)
            logits[member] = logits[member].index_copy(0, torch.tensor(which, device=got.device), got)
            if states is not None:
                held = hidden[member]
                held = states.new_zeros(len(rows), states.shape[1]) if held is None else held.clone()
                held[which] = states
                hidden[member] = held
        return Sight(logits, known & ~gone, gone, hidden, sight.step, sight.state, sight.noise, sight.author, sight.last,
                     sight.prepared, sight.texts)

    def _written(self, sight: Sight, move: Move, rows: Sequence[Row], plan: Plan) -> None:
        scores, author = move.scores, move.author
        if author is not None:
            each = torch.arange(len(rows), device=author.device)
            own = torch.stack(list(sight.logits))[author.clamp_min(0), each] if scores is None else scores
            able = (author < 0) | sight.known[author.clamp_min(0), each]
            scores = torch.where(able[:, None], own, torch.nan)
        if scores is None:
            raise ValueError(f"{self.policy} gave neither scores nor an author")
        chosen = plan.choose(scores, [row.emitted for row in rows])
        states = None if move.state is None else move.state.tolist()
        who = [-1] * len(rows) if author is None else author.tolist()
        for i, row in enumerate(rows):
            row.authors.append(who[i])
            if states is not None:
                row.state = tuple(states[i])
        take(rows, scores, chosen)


def read_by(combiner: Combiner, members: int) -> list[int]:
    """The members that a combiner reads: those of its `reads` where it has that, otherwise all."""
    reads = getattr(combiner, "reads", None)
    return list(range(members)) if reads is None else list(reads)


def take(rows: Sequence[Row], scores: Tensor, chosen: Tensor) -> None:
    """Give every row its token; rows whose scores are not finite are over, with an error."""
    sound = torch.isfinite(scores.amax(-1)).tolist()
    for row, token, mark, fine in zip(rows, chosen.tolist(), marks(rows, scores, chosen), sound, strict=True):
        if fine:
            row.reason = row.take(token, mark)
        else:
            row.reason = "error"
            row.error = ModelError("the logits of a row were not finite numbers: the weights, or the combiner's result, "
                                   "hold NaN or rule out every token")


def marks(rows: Sequence[Row], scores: Tensor, chosen: Tensor) -> Iterator[Mark | None]:
    """Log-probabilities for the rows that want them."""
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
