"""Drafting and checking: the writer of a `policy.Speculation`.

One cycle: the drafter writes up to `length` tokens; every other member that the combiner reads scores them in one
forward; then the tokens are settled in order. Token j, drawn from q, stays with probability min(1, r / q), where r is
the combined distribution; the first that does not is replaced by a draw from max(0, r - q), and the rest is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from consilience.decode.feed import Feed
from consilience.decode.policy import Speculation
from consilience.decode.row import NOT_FINITE, Row
from consilience.decode.sampler import Plan, note
from consilience.decode.writers import Lockstep, read_by, take

DRAFT, ACCEPT, REST = 2, 3, 4
"""Kinds of noise; see `sampler.uniforms`."""


@dataclass(slots=True, eq=False)
class _Cycle:
    """One cycle over R rows, drafts of up to D tokens."""

    places: Sequence[int]
    rows: Sequence[Row]
    plan: Plan
    drafter: list[int]
    logits: Tensor
    """[members, R, D + 1, vocabulary], zeros where unknown."""
    proposed: Tensor
    """float64 [R, D, vocabulary]: the distributions that the drafts were drawn from."""
    ended: list[bool]
    """Whether the drafter's distribution of the token after its draft is known."""

    def counts(self) -> list[int]:
        """How many tokens are drafted in each row."""
        return [len(row.draft) for row in self.rows]


class Speculating:
    """Rows that a member has left go on in lockstep."""

    def __init__(self, spec: Speculation, feeds: Sequence[Feed]) -> None:
        self.spec, self.feeds = spec, feeds
        self.lockstep = Lockstep(spec.combiner, feeds)
        self.members = read_by(spec.combiner, len(feeds))

    def write(self, places: Sequence[int], rows: Sequence[Row], plan: Plan) -> None:
        """One cycle of drafting and judging for whole rows; one token in lockstep for those that a member has left."""
        left = [i for i, row in enumerate(rows) if row.gone]
        if left:
            part = plan.part(left)
            self.lockstep.write([places[i] for i in left], [rows[i] for i in left], part)
            if plan.seen is not None and part.seen is not None:
                plan.seen[left] = part.seen
            whole = [i for i, row in enumerate(rows) if i not in left]
            places, rows = [places[i] for i in whole], [rows[i] for i in whole]
            if not rows:
                return
            seen, plan = plan.seen, plan.part(whole)
            self._cycle(places, rows, plan)
            if seen is not None and plan.seen is not None:
                seen[whole] = plan.seen
        else:
            self._cycle(places, rows, plan)

    def _cycle(self, places: Sequence[int], rows: Sequence[Row], plan: Plan) -> None:
        for row in rows:
            row.draft.clear()
        budget = [self._budget(row) for row in rows]
        most, size = max(budget), self.feeds[0].vocabulary
        device = plan.greedy.device
        cycle = _Cycle(places, rows, plan, [row.proposal[0] if row.proposal else self.spec.drafter for row in rows],
                       torch.zeros(len(self.feeds), len(rows), most + 1, size, device=device),
                       torch.zeros(len(rows), most, size, dtype=torch.float64, device=device), [False] * len(rows))
        self._draft(cycle, budget)
        self._check(cycle)
        self._settle(cycle)
        for place, row in zip(places, rows, strict=True):
            row.draft.clear()
            for feed in self.feeds:
                feed.settle(place, row)

    def _budget(self, row: Row) -> int:
        length = self.spec.turn_length if row.proposal else row.ahead or self.spec.length
        return max(0, min(length, row.limit - row.emitted - 1))

    # -- drafting --------------------------------------------------------------------------------------------------

    def _draft(self, cycle: _Cycle, budget: Sequence[int]) -> None:
        seen = None if cycle.plan.seen is None else cycle.plan.seen.clone()
        everyone = torch.arange(len(cycle.rows), device=cycle.logits.device)
        drafter = torch.tensor(cycle.drafter, device=cycle.logits.device)
        for t in range(max(1, *budget)):
            going = [i for i in range(len(cycle.rows)) if not cycle.ended[i] and len(cycle.rows[i].draft) == t
                     and (t < budget[i] or (budget[i] == 0 and cycle.drafter[i] in self.members))]
            if not going:
                return
            self._ask_drafters(cycle, going, t)
            raw = cycle.logits[drafter, everyone, t]
            for i in self._unsure(raw, going, budget):
                cycle.ended[i] = True
            going = [i for i in going if not cycle.ended[i]]
            if not going:
                return
            q = cycle.plan.probabilities(raw, seen)
            cycle.proposed[:, t] = q
            tokens = cycle.plan.draw(q, [row.emitted + t for row in cycle.rows], DRAFT)
            if seen is not None:
                note(seen, tokens, torch.tensor(going, device=tokens.device))
            for i, token in enumerate(tokens.tolist()):
                if i in going:
                    cycle.rows[i].draft.append(token)

    def _ask_drafters(self, cycle: _Cycle, going: Sequence[int], t: int) -> None:
        for member in sorted({cycle.drafter[i] for i in going}):
            asked = []
            for i in going:
                proposal = cycle.rows[i].proposal
                if t == 0 and proposal is not None:
                    cycle.logits[member, i, 0] = proposal[1]
                elif cycle.drafter[i] == member:
                    asked.append(i)
            if asked:
                got, _ = self.feeds[member].ask([cycle.places[i] for i in asked], [cycle.rows[i] for i in asked])
                cycle.logits[member, asked, t] = got

    def _unsure(self, raw: Tensor, going: Sequence[int], budget: Sequence[int]) -> list[int]:
        """The rows whose draft ends here."""
        ends = [i for i in going if budget[i] == 0]
        if self.spec.sure:
            best = raw.softmax(-1).amax(-1).tolist()
            ends += [i for i in going if best[i] < self.spec.sure]
        return ends

    # -- checking --------------------------------------------------------------------------------------------------

    def _check(self, cycle: _Cycle) -> None:
        """All other members' distributions at every drafted token and the one after."""
        counts = cycle.counts()
        for member in self.members:
            which = [i for i in range(len(cycle.rows)) if cycle.drafter[i] != member]
            if not which:
                continue
            wants = [counts[i] + 1 for i in which]
            got, _ = self.feeds[member].ask([cycle.places[i] for i in which], [cycle.rows[i] for i in which], wants)
            width = got.shape[1]
            shift = width - torch.tensor(wants, device=got.device)[:, None]
            source = (shift + torch.arange(width, device=got.device)).clamp_max(width - 1)
            cycle.logits[member, which, :width] = torch.take_along_dim(got, source[..., None], dim=1)

    # -- settling --------------------------------------------------------------------------------------------------

    def _settle(self, cycle: _Cycle) -> None:
        plan, rows, device = cycle.plan, cycle.rows, cycle.logits.device
        counts = torch.tensor(cycle.counts(), device=device)
        final = torch.tensor([e or d not in self.members for e, d in zip(cycle.ended, cycle.drafter, strict=True)], device=device)
        begun = [row.emitted for row in rows]
        alive = self._sound(cycle)
        whole = alive.clone()
        for j in range(cycle.logits.shape[2]):
            inner = alive & (counts > j)
            last = alive & (counts == j) & final
            if not (inner | last).any():
                break
            scores = self.spec.combine(cycle.logits[self.members][:, :, j])
            chosen, kept = self._chosen(cycle, scores, j, inner, [b + j for b in begun])
            which = (inner | last).nonzero()[:, 0].tolist()
            for i in which:
                rows[i].authors.append(cycle.drafter[i] if kept[i] else self.members[0] if len(self.members) == 1 else -1)
                rows[i].kept += int(kept[i])
            take([rows[i] for i in which], scores[which], chosen[which])
            if plan.seen is not None:
                note(plan.seen, chosen, torch.tensor(which, device=device))
            whole &= kept | ~inner
            over = torch.tensor([bool(row.reason) for row in rows], device=device)
            alive = inner & kept & ~over | alive & (counts == j) & ~final
        self._next(cycle, whole.tolist(), final.tolist())

    def _chosen(self, cycle: _Cycle, scores: Tensor, j: int, inner: Tensor, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Tokens at place j, and which of them are the drafted ones."""
        plan, r = cycle.plan, cycle.plan.probabilities(scores, cycle.plan.seen)
        if j == cycle.proposed.shape[1]:
            return plan.draw(r, indices), torch.zeros_like(inner)
        q = cycle.proposed[:, j]
        drafted = torch.tensor([row.draft[j] if len(row.draft) > j else 0 for row in cycle.rows], device=scores.device)[:, None]
        kept = inner & (plan.noise(indices, ACCEPT) * q.gather(1, drafted) < r.gather(1, drafted))[:, 0]
        rest = (r - q).clamp_min(0)
        rest = torch.where(rest.sum(-1, keepdim=True) > 0, rest, r)
        other = torch.where(inner, plan.draw(rest, indices, REST), plan.draw(r, indices))
        return torch.where(kept, drafted[:, 0], other), kept

    def _sound(self, cycle: _Cycle) -> Tensor:
        """Rows whose distributions are all numbers; whoever spoilt the others leaves them, and they wait for lockstep."""
        finite = torch.isfinite(cycle.logits.amax(-1)).all(-1)
        for member, i in (~finite).nonzero().tolist():
            cycle.rows[i].gone[member] = NOT_FINITE
        return finite.all(0)

    def _next(self, cycle: _Cycle, whole: Sequence[bool], final: Sequence[bool]) -> None:
        """What the next cycle of each row begins with."""
        for i, row in enumerate(cycle.rows):
            count = len(row.draft)
            row.drafted += count
            row.proposal = None
            if self.spec.adaptive and count:
                ahead = (row.ahead or self.spec.length) + (2 if whole[i] else -1)
                row.ahead = min(max(ahead, 1), 2 * self.spec.length)
            if self.spec.turns and whole[i] and count and not final[i] and not row.reason:
                checker = [m for m in self.members if m != cycle.drafter[i]][-1]
                row.proposal = checker, cycle.logits[checker, i, count].clone()
