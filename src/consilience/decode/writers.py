"""How the next tokens of a batch of rows are found: all members at once, as a policy says, or by drafting and checking.

A writer gets the live rows from a place on, asks the members' feeds, and makes every row take at least one token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from consilience.decode.bridge import Bridge
from consilience.decode.feed import Feed
from consilience.decode.policy import Material, Move, Policy, Sight
from consilience.decode.row import NOT_FINITE, Mark, Row
from consilience.decode.sampler import Plan
from consilience.decode.union import Union
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
        """One token for each row, drawn as the combiner scores it."""
        logits = torch.stack([feed.ask(places, rows)[0] for feed in self.feeds])
        scores = self.combine(logits, rows)
        take(rows, scores, plan.choose(scores, [row.emitted for row in rows]))

    def combine(self, logits: Tensor, rows: Sequence[Row]) -> Tensor:
        """The combined scores; a member whose numbers are not finite leaves the rows where that is so."""
        scores: Tensor = self.combiner.combine(logits)
        if len(self.feeds) == 1:
            return scores
        sound = torch.isfinite(scores.amax(-1)).tolist()
        ill = [i for i, row in enumerate(rows) if row.gone or not sound[i]]
        if not ill:
            return scores
        finite = torch.isfinite(logits[:, ill].amax(-1)).T.tolist()
        groups: dict[frozenset[int], list[int]] = {}
        for i, each in zip(ill, finite, strict=True):
            for member, fine in zip(self.members, each, strict=True):
                if not fine:
                    rows[i].gone.setdefault(member, NOT_FINITE)
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
        """One token for each row: members are asked until the policy can say who writes it."""
        sight = self._first(rows, plan)
        move = self._decide(sight, rows)
        for _ in self.feeds:
            wanted = torch.zeros_like(sight.known) if move.ask is None else move.ask & ~sight.known & ~sight.gone
            if not wanted.any():
                break
            sight = self._asked(sight, wanted, places, rows)
            move = self._decide(sight, rows)
        self._written(sight, move, rows, plan)

    def _decide(self, sight: Sight, rows: Sequence[Row]) -> Move:
        return self.policy.decide(sight)

    def _first(self, rows: Sequence[Row], plan: Plan) -> Sight:
        device, members, n = plan.greedy.device, len(self.feeds), len(rows)
        known = torch.zeros(members, n, dtype=torch.bool, device=device)
        gone = known.clone()
        for i, row in enumerate(rows):
            for member in row.gone:
                gone[member, i] = True
        indices = [row.emitted for row in rows]
        last, texts = self._read(rows)
        return Sight(
            [torch.zeros(n, feed.vocabulary, device=device) for feed in self.feeds], known, gone, [None] * members,
            torch.tensor(indices, device=device),
            torch.tensor([row.state or self.policy.state for row in rows], dtype=torch.float32, device=device).reshape(n, -1),
            plan.noise(indices, NOISE)[:, 0].float(),
            torch.tensor([row.authors[-1] if row.authors else -1 for row in rows], device=device),
            torch.tensor(last, device=device), self.prepared, texts)

    def _read(self, rows: Sequence[Row]) -> tuple[list[int], Sequence[bytes]]:
        """Each row's last id, and its text where that is wanted."""
        last = [row.ids[-1] if row.ids else -1 for row in rows]
        return last, [self.material.vocabularies[0].text(row.ids) for row in rows] if self.policy.reads_text else ()

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
                        rows[i].gone[member] = NOT_FINITE
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
        if scores is not None and move.union is not None:       # one vocabulary after all: its ids have columns of their own
            columns = move.union.columns[0]
            scores = scores[:, columns.clamp_min(0)].masked_fill(columns < 0, -torch.inf)
        if author is not None:
            each = torch.arange(len(rows), device=author.device)
            own = torch.stack(list(sight.logits))[author.clamp_min(0), each]
            if scores is not None:
                own = torch.where((author < 0)[:, None], scores, own) if move.union is not None else scores
            able = (author < 0) | sight.known[author.clamp_min(0), each]
            scores = torch.where(able[:, None], own, torch.nan)
        if scores is None:
            raise ValueError(f"{self.policy} gave neither scores nor an author")
        chosen = plan.choose(scores, [row.emitted for row in rows])
        _note(move, rows)
        take(rows, scores, chosen)


def _note(move: Move, rows: Sequence[Row]) -> None:
    """Authors and states."""
    states = None if move.state is None else move.state.tolist()
    who = [-1] * len(rows) if move.author is None else move.author.tolist()
    for i, row in enumerate(rows):
        row.authors.append(who[i])
        if states is not None:
            row.state = tuple(states[i])


class Mixing(HandingOver):
    """A policy over members of different vocabularies, whose rows have a `bridge`.

    While a text ends within a character its author goes on, whatever the policy says; everybody else cannot read it.
    """

    def _first(self, rows: Sequence[Row], plan: Plan) -> Sight:
        sight = super()._first(rows, plan)
        for i, row in enumerate(rows):
            for member in range(len(self.feeds)):
                if not _bridge(row).readable(member):
                    sight.gone[member, i] = True
        return sight

    def _read(self, rows: Sequence[Row]) -> tuple[list[int], Sequence[bytes]]:
        bridges = [_bridge(row) for row in rows]
        last = [b.ids[row.authors[-1]][-1] if row.authors and row.authors[-1] >= 0 else -1
                for row, b in zip(rows, bridges, strict=True)]
        return last, [b.said for b in bridges]

    def _decide(self, sight: Sight, rows: Sequence[Row]) -> Move:
        move = self.policy.decide(sight)
        bound = {i: row.authors[-1] for i, row in enumerate(rows)
                 if row.authors and row.authors[-1] >= 0 and not _bridge(row).whole}
        if not bound:
            return move
        ask = torch.zeros_like(sight.known) if move.ask is None else move.ask.clone()
        author = torch.full_like(sight.step, -1) if move.author is None else move.author.clone()
        state = None if move.state is None else move.state.clone()
        for i, member in bound.items():
            ask[:, i] = False
            ask[member, i] = True
            author[i] = member
            if state is not None:
                state[i] = sight.state[i]
        return Move(ask, author, move.scores, state, move.union)

    def _asked(self, sight: Sight, wanted: Tensor, places: Sequence[int], rows: Sequence[Row]) -> Sight:
        for member, i in wanted.nonzero().tolist():
            limit = self.feeds[member].slots.limit
            if limit is not None and _bridge(rows[i]).refresh(member) > limit:
                rows[i].gone[member] = f"its context of {limit} tokens is full"
                sight.gone[member, i], wanted[member, i] = True, False
        return super()._asked(sight, wanted, places, rows) if wanted.any() else sight

    def _written(self, sight: Sight, move: Move, rows: Sequence[Row], plan: Plan) -> None:
        _note(move, rows)
        for author in sorted({row.authors[-1] for row in rows}):
            which = [i for i, row in enumerate(rows) if row.authors[-1] == author]
            own = sight.known[author] & ~sight.gone[author]
            scores = move.scores if author < 0 else torch.where(own[:, None], sight.logits[author], torch.nan)
            if scores is None or (author < 0 and move.union is None):
                raise ValueError(f"{self.policy} gave neither an author nor scores over a union of the vocabularies")
            some = [rows[i] for i in which]
            chosen = self._plan(some, author, move.union, scores.shape[1], plan).choose(scores[which], [r.emitted for r in some])
            take(some, scores[which], chosen, self._taker(author, move.union))
        for row in rows:
            if row.error is not None and any("context" in why for why in row.gone.values()):
                row.error, row.reason = None, "length"

    def _plan(self, rows: Sequence[Row], author: int, union: Union | None, size: int, plan: Plan) -> Plan:
        texts: list[Sequence[int]] = [()] * len(rows)
        if any(row.sampling.repetition_penalty != 1 for row in rows):
            texts = [_bridge(row).ids[max(author, 0)] for row in rows]
            if union is not None and author < 0:
                texts = [union.columns[0][torch.tensor(ids)].clamp_min(0).tolist() for ids in texts]
        return Plan.of([row.sampling for row in rows], [row.noise for row in rows], size, texts, plan.greedy.device)

    def _taker(self, author: int, union: Union | None) -> Callable[[Row, int, Mark | None], str]:
        def by_member(row: Row, token: int, mark: Mark | None) -> str:
            """Take a token of the author's vocabulary; the others are told its bytes."""
            vocabulary, bridge = self.material.vocabularies[author], _bridge(row)
            if token in vocabulary.ends:
                return row.take_piece(b"", True)
            bridge.write(author, token)
            return row.take_piece(vocabulary.pieces[token], False, mark and (mark[0], ()))

        def by_all(row: Row, token: int, mark: Mark | None) -> str:
            """Take a piece of the union of vocabularies; an empty one ends the text."""
            piece = union.pieces[token] if union is not None else b""
            if not piece:
                return row.take_piece(b"", True)
            _bridge(row).write_piece(piece)
            return row.take_piece(piece, False, mark and (mark[0], ()))

        return by_all if author < 0 else by_member


def _bridge(row: Row) -> Bridge:
    if row.bridge is None:
        raise ValueError("members of different vocabularies need rows with a bridge")
    return row.bridge


def read_by(combiner: Combiner, members: int) -> list[int]:
    """The members that a combiner reads: those of its `reads` where it has that, otherwise all."""
    reads = getattr(combiner, "reads", None)
    return list(range(members)) if reads is None else list(reads)


def take(rows: Sequence[Row], scores: Tensor, chosen: Tensor, give: Callable[[Row, int, Mark | None], str] = Row.take) -> None:
    """Give every row its token; rows whose scores are not finite are over, with an error."""
    sound = torch.isfinite(scores.amax(-1)).tolist()
    for row, token, mark, fine in zip(rows, chosen.tolist(), marks(rows, scores, chosen), sound, strict=True):
        if fine:
            row.reason = give(row, token, mark)
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
