"""What cascades share: each only says how an answer is tried; where it is good enough, and who is asked next when it is
not, is found on dev and decided here."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from consilience.errors import ModelError, NoAnswerError
from consilience.gather import Member, Members, absence, ask_all, price_of, put
from consilience.learn.confidence import UNREAD, usable
from consilience.learn.goals import Aimed, costs_known
from consilience.learn.ladder import Did, Ladder, Plan, above, cuts
from consilience.learn.routers import check_members
from consilience.learn.table import Table, alone, distinct
from consilience.learn.trials import team
from consilience.method import Cast, Dev, Last, Learned, Level, Method, Scored
from consilience.model import Card
from consilience.types import Reply, Request

if TYPE_CHECKING:
    import numpy as np

Choice = Any
"""Where answers of one member are taken, as a JSON value: a threshold, or what a subclass makes of it."""


@dataclass(frozen=True, slots=True)
class Climb:
    """What every member did on dev: merely asked, and tried as a rung.

    `replies` `[member][question]` are the tried ones, with their evidence; None for a member that was absent.
    """

    order: tuple[int, ...]
    """All members, cheap to dear."""
    asked: Table
    tried: Table
    requests: tuple[Request, ...]
    replies: tuple[tuple[Reply | None, ...], ...]
    read: np.ndarray
    """Whether the plain answer can be read: bool [members, questions]."""

    def __len__(self) -> int:
        return len(self.requests)

    def readable(self) -> np.ndarray:
        """Whether the tried answer can be read: bool [members, questions]."""
        import numpy as np

        return np.array([[usable(q, r) for q, r in zip(self.requests, line, strict=True)] for line in self.replies], bool)


@dataclass(frozen=True)
class Cascading(Aimed):
    """A method that decides after seeing an answer whether it is good enough or another member is asked.

    A subclass tries one member and leaves `evidence` in the note of its reply; by default that is how sure the answer is,
    0..1. On dev every rung is tried by the same code that runs later, at its true cost. An answer that cannot be read is
    never sure. When a rung fails or cannot be paid, the next is asked; when the last does, the surest answer so far stands.
    """

    level: ClassVar = Level.ROUTE
    must_fit: ClassVar = True

    @abstractmethod
    async def tries(self, request: Request, member: Member, members: Members) -> Reply:
        """An answer of one member, with what tells how good it is as `evidence` in its note. NoAnswerError for none."""

    @abstractmethod
    def lists(self, ladder: Ladder, order: Sequence[int]) -> list[tuple[int, ...]]:
        """Lists of members to search over; `order` are all, cheap to dear."""

    def plans(self, ladder: Ladder, order: Sequence[int]) -> list[Plan]:
        """Plans to lay before the target."""
        return ladder.plans(self.lists(ladder, order), self.max_latency)

    def learn(self, climb: Climb) -> tuple[np.ndarray, Learned]:
        """How sure every tried dev answer is, [members, questions], and what `sure` needs to tell it of others.

        What is learned from answers judges each dev answer by others alone (folds).
        """
        import numpy as np

        sure = [[UNREAD if r is None else r.note["evidence"] for r in line] for line in climb.replies]
        return np.array(sure, float), Learned()

    def sure(self, found: Learned, request: Request, reply: Reply, place: int) -> float:
        """How sure a tried answer of the member at this place is, 0..1; `found` is what `learn` gave."""
        return float(reply.note["evidence"])

    def choices(self, climb: Climb, sure: np.ndarray, place: int) -> list[Choice]:
        """Choices for one rung, from the one that passes least on; `sure` [questions] are its confidences."""
        return list(cuts(sure))

    def accepts(self, choice: Choice, sure: Any) -> Any:
        """Whether answers of this confidence (a number, or an array) are taken."""
        return above(sure, choice)

    def early(self, order: Sequence[int]) -> Sequence[int]:
        """Members that a list may hold before its last, and that are tried on dev therefore."""
        return order if len(order) > 1 else ()

    def ordered(self, cards: Sequence[Card], standing: Sequence[float] | None) -> list[int]:
        """All members from cheap to dear; ties: worse on dev first."""
        return sorted(range(len(cards)), key=lambda i: (price_of(cards[i]), standing[i] if standing else 0.0))

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Try the members on dev, then keep the list and thresholds that the target asks for. ConfigError where it speaks of
        money and a cost is unknown, TargetError where no setting meets it."""
        climb = await climbed(self, dev, cast)
        for table in (climb.asked, climb.tried):
            costs_known(self, table.costs, table.names)
        sure, own = self.learn(climb)
        ladder, choices = self.ladder(climb, sure)
        plans = self.plans(ladder, climb.order)
        settled = self.settle(ladder.trials(plans, climb.asked.scores[:, climb.asked.best]))
        plan = plans[settled.setting]
        names = [climb.asked.names[m] for m in plan.order]
        expected = {**settled.expected, "shares": dict(zip(names, ladder.reach(plan), strict=True)), **alone(climb.asked)}
        thresholds = {str(m): choices[m][pick] for m, pick in zip(plan.order, plan.picks, strict=False)}
        return self.with_learned({"members": list(climb.asked.names), "rungs": list(plan.order), "thresholds": thresholds,
                                  "expected": expected, "own": dict(own.values)}, **own.arrays)

    def ladder(self, climb: Climb, sure: np.ndarray) -> tuple[Ladder, list[list[Choice]]]:
        """The members on dev as rungs, and the choices at each."""
        import numpy as np

        sure = np.where(climb.readable(), sure, UNREAD)
        choices = [self.choices(climb, line, m) for m, line in enumerate(sure)]
        accept = tuple(np.stack([self.accepts(c, line) for c in own]) for own, line in zip(choices, sure, strict=True))
        asked, tried = (Did(t.scores.T, t.costs.T, t.seconds.T) for t in (climb.asked, climb.tried))
        return Ladder(tried, asked, sure, climb.read, accept), choices

    def check(self, cast: Cast) -> None:
        """Raises TeamError for other members than those that it was fitted for."""
        check_members(self, cast)

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Try the rungs in order until one is sure; then ask the last, and without any answer so far whoever is no rung."""
        if len(members) == 1:
            return Last(members[0], request)
        *rungs, last = [members[place] for place in self.climbs(members)]
        found, best, most = self.learned, None, UNREAD
        for member in rungs:
            try:
                reply = await self.tries(request, member, members)
            except (ModelError, NoAnswerError) as error:
                _note_absence(member, error)
                continue
            sure = self.sure(found or Learned(), request, reply, member.index) if usable(request, reply) else UNREAD
            reply = _told(reply, member, sure)
            if self.accepts(self.choice(member.index), sure):
                return reply
            if reply.text and sure >= most:
                best, most = reply, sure
        then = () if best is not None else tuple(m for m in members.ranking if m is not last and m not in rungs)
        return Last(last, request, best, {"rung": last.name}, then)

    def climbs(self, members: Members) -> list[int]:
        """Places of the members in the order of asking."""
        return list(self.found().values["rungs"])

    def choice(self, place: int) -> Choice:
        """The choice for the rung at this place."""
        return self.found().values["thresholds"][str(place)]


@dataclass(frozen=True)
class Ordered(Cascading):
    """A cascade over all members, in a stated order."""

    order: Literal["price", "given"] = field(default="price", kw_only=True)
    """Rungs by price (ties: worse on dev first), or in team order."""
    given: ClassVar[Choice] = None
    """What every rung takes when nothing is learned; none: it must be fitted."""
    must_fit = property(lambda self: self.given is None or self.aims)

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """As any cascade; where the class gives what rungs take and no target is stated, nothing is learned."""
        return await super().fit(dev, cast) if self.must_fit else self

    def climbs(self, members: Members) -> list[int]:
        """What was learned, else all members by `order`."""
        if self.must_fit:
            return super().climbs(members)
        return self.ordered([m.card for m in members], [m.standing or 0.0 for m in members])

    def choice(self, place: int) -> Choice:
        """What was learned, else what the class gives."""
        return super().choice(place) if self.must_fit else self.given

    def ordered(self, cards: Sequence[Card], standing: Sequence[float] | None) -> list[int]:
        """All members from cheap to dear, or in team order."""
        return super().ordered(cards, standing) if self.order == "price" else list(range(len(cards)))

    def early(self, order: Sequence[int]) -> Sequence[int]:
        """All but the last."""
        return order[:-1]

    def lists(self, ladder: Ladder, order: Sequence[int]) -> list[tuple[int, ...]]:
        """All members, in their order."""
        return [tuple(order)]


@dataclass(frozen=True)
class Rung(Method):
    """One rung of a cascade by itself, so that dev sees the answers, costs and seconds that run time will."""

    level: ClassVar = Level.ROUTE
    of: Cascading
    place: int
    extras = property(lambda self: self.of.extras)
    roles = property(lambda self: self.of.roles)
    compares = property(lambda self: self.of.compares)

    async def run(self, request: Request, members: Members) -> Reply:
        """Try the member at `place`."""
        return await self.of.tries(request, members[self.place], members)


async def climbed(method: Cascading, dev: Dev, cast: Cast) -> Climb:
    """Ask every member of a cascade on dev, and try as rungs those that may be asked early."""
    import numpy as np

    names, rows = tuple(m.card.name for m in cast.members), distinct(dev.examples)
    asked = await dev.replies(cast.members, extras=method.extras)
    order = method.ordered([m.card for m in cast.members], cast.standing)
    early = method.early(order)
    tried = [[Scored(None, 0.0)] * len(dev.examples)] * len(names)
    for place, line in zip(early, await dev.replies([team(Rung(method, place), cast) for place in early]), strict=True):
        tried[place] = line
    requests = tuple(dev.examples[i].request for i in rows)
    read = [[usable(q, line[i].reply) for i, q in zip(rows, requests, strict=True)] for line in asked]
    return Climb(tuple(order), Table.made(names, dev.examples, asked), Table.made(names, dev.examples, tried), requests,
                 tuple(tuple(line[i].reply for i in rows) for line in tried), np.array(read, bool))


async def own_word(request: Request, reply: Reply, member: Member, n: int = 1, temperature: float = 0.0) -> list[str | None]:
    """What a member says when asked `n` times whether an answer is right: `yes`, `no`, or None where that cannot be read;
    nothing where there is no answer to check, or the member fails."""
    if not usable(request, reply):
        return []
    check = put(request, "check", answer=reply.text or "").sampled(temperature=temperature)
    try:
        [verdicts] = (await ask_all([member], check, n)).by_member
    except NoAnswerError:
        return []
    return [verdict.reading for verdict in verdicts]


def _told(reply: Reply, member: Member, sure: float) -> Reply:
    """The reply as the trace shows it: who gave it, and how sure it is."""
    note = {k: v for k, v in reply.note.items() if k != "evidence"}
    return reply.having(note={**note, "rung": member.name, "confidence": round(max(0.0, sure), 6)})


def _note_absence(member: Member, error: ModelError | NoAnswerError) -> None:
    """`ask_all` has noted whom it could not reach; what else failed is noted here."""
    if isinstance(error, ModelError):
        member.run.absent.append(absence(member, error))
