"""The price before the run: every method's own code over rehearsing members, all agreeing and all disagreeing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from consilience.bench.fits import needs_fit
from consilience.bench.lineup import over, wear
from consilience.bench.plan import Plan, PlannedRun
from consilience.bench.rehearsal import Call, Rehearsal, Rehearsing
from consilience.bench.split import DevSplit
from consilience.errors import ConsilienceError, ModelError, NoAnswerError
from consilience.formula import most_calls
from consilience.method import Level, Method
from consilience.model import Model
from consilience.models.wrappers import Budget, Meter
from consilience.store import Store
from consilience.team import Team
from consilience.types import Example, Scope

SAMPLE = 8
"""Questions of each task that are rehearsed; the estimate is scaled up from them."""
DEV_SAMPLE = 16
"""Dev questions on which a method that must be fitted is fitted for the rehearsal."""


@dataclass(frozen=True, slots=True)
class Range:
    """From the case that all members agree and are sure to the case that all disagree, or the other way round."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one contestant on one task would take if nothing were shared, in all: calls, tokens, US dollars (None: a
    price is unknown), and the members' seconds one after the other. `formula_calls` is what the method's cost formula
    allows, `note` what the estimate does not know. The last two lines are the dev drafts and the total, in which
    shared draws count once."""

    method: str
    task: str
    questions: int
    calls: Range
    tokens: Range
    cost: Range | None
    seconds: Range
    formula: str = ""
    formula_calls: float | None = None
    note: str = ""


async def price(plan: Plan, store: str | Path | None = None) -> list[Estimate]:
    """Estimates of all runs, of the dev drafts, and in total. No model is called; draws that `store` holds lend their
    lengths. Raises ConfigError for a cost formula that is no arithmetic."""
    kept = Store(store) if store is not None and Path(store).exists() else None
    try:
        sides = [await _rehearse(plan, Rehearsal(agree, kept)) for agree in (True, False)]
    finally:
        if kept is not None:
            kept.close()
    runs = [_estimate(planned.name, planned.task.name, len(planned.task.test), [side[i] for side in sides],
                      planned.contestant.model) for i, planned in enumerate(plan.runs)]
    drafts = _sum_up("dev drafts", "", [side[-2] for side in sides])
    return [*runs, drafts, _sum_up("total", "", [side[-1] for side in sides])]


@dataclass(frozen=True, slots=True)
class _Bill:
    calls: float
    tokens: float
    cost: float | None
    seconds: float
    questions: int = 0
    note: str = ""


def _bill(calls: Iterable[Call], scale: float, questions: int = 0, note: str = "") -> _Bill:
    calls = list(calls)
    costs = [call.cost for call in calls]
    return _Bill(scale * sum(c.usage.calls for c in calls),
                 scale * sum(c.usage.prompt_tokens + c.usage.completion_tokens for c in calls),
                 None if None in costs else scale * sum(c or 0.0 for c in costs), scale * sum(c.seconds for c in calls),
                 questions, note)


async def _rehearse(plan: Plan, rehearsal: Rehearsal) -> list[_Bill]:
    """Bills of all runs, then of the dev drafts, then the total."""
    cast = {m.card.fingerprint: Rehearsing(m, i, rehearsal) for i, m in enumerate(plan.pool)}

    def stand_in(model: Model) -> Model:
        """A rehearsing model in the place of this one; a team keeps its method, unless it merges."""
        if isinstance(model, Team):
            return stand_in(model.members[0]) if _merges(model) else over(model, stand_in)
        return cast.setdefault(model.card.fingerprint, Rehearsing(model, len(cast), rehearsal))

    bills, shared = [], []
    for task in plan.tasks:
        rehearsal.drafts.clear()
        sample = task.test[::max(1, len(task.test) // SAMPLE)][:SAMPLE]
        scale = len(task.test) / len(sample)
        for planned in (r for r in plan.runs if r.task is task):
            bills.append(await _rehearsed(planned, sample, scale, stand_in, rehearsal, plan.experiment.budget))
        shared.append(_bill(rehearsal.drafts.values(), scale))
    drafts = await _dev_drafts(plan, stand_in, rehearsal)
    return [*bills, drafts, _add([*shared, drafts])]


async def _rehearsed(planned: PlannedRun, sample: Sequence[Example], scale: float, stand_in: Callable[[Model], Model],
                     rehearsal: Rehearsal, budget: float | None) -> _Bill:
    model, before = planned.contestant.model, len(rehearsal.calls)
    if model is None:
        return _Bill(0, 0, 0.0, 0, len(sample))
    team: Model | None = stand_in(model)
    note = "the merging itself is not priced" if _merges(model) else ""
    if isinstance(model, Team) and isinstance(team, Team):
        team, note = await _ready(team, model, planned, rehearsal)
        before = len(rehearsal.calls)
    if team is None:
        return _by_formula(model, sample, scale, stand_in, rehearsal, note)
    worn = wear(team, None, Meter())
    for example in sample:
        ledger = Budget(budget) if budget is not None else None
        try:
            await worn.generate(example.request, scope=Scope(ledger, example=example.id))
        except (NoAnswerError, ModelError):
            continue
    return _bill(rehearsal.calls[before:], scale, len(sample), note)


def _merges(model: Model) -> bool:
    """Whether one merged model answers for the team."""
    return isinstance(model, Team) and type(model.method).make is not Method.make


async def _ready(team: Team, model: Team, planned: PlannedRun, rehearsal: Rehearsal) -> tuple[Model | None, str]:
    """The team, fitted on a few rehearsed dev questions where it must be; None when it cannot be here."""
    note = "its fit is priced as the dev drafts alone" if model.method.learns and needs_fit(model) else ""
    if not model.method.must_fit or model.method.learned is not None:
        return team, note
    if model.method.level not in (Level.ROUTE, Level.TEXT):
        return None, note
    drafts = dict(rehearsal.drafts)
    try:
        return await team.fit(DevSplit("rehearsal", planned.task.dev[:DEV_SAMPLE])), note
    except (ConsilienceError, ExceptionGroup, ValueError, ArithmeticError, LookupError, TypeError):
        return None, note   # stand-in replies may teach a method nothing; its formula prices it then
    finally:
        rehearsal.drafts.clear()
        rehearsal.drafts.update(drafts)


def _by_formula(model: Model, sample: Sequence[Example], scale: float, stand_in: Callable[[Model], Model],
                rehearsal: Rehearsal, note: str) -> _Bill:
    """As many drafts as the formula allows calls, of the members in turn."""
    assert isinstance(model, Team)
    each, before = [m for m in map(stand_in, model.members) if isinstance(m, Rehearsing)], len(rehearsal.calls)
    number = round(most_calls(model.method, len(model.members)) or len(model.members))
    for example in sample:
        for place in range(number if each else 0):
            each[place % len(each)].draft(example.request)
    note = "; ".join(filter(None, ["by its formula: it must be fitted first", note]))
    return _bill(rehearsal.calls[before:], scale, len(sample), note)


async def _dev_drafts(plan: Plan, stand_in: Callable[[Model], Model], rehearsal: Rehearsal) -> _Bill:
    """One draft of every member on every dev question, which all fits share."""
    bills = []
    for task in plan.tasks:
        sample = task.dev[::max(1, len(task.dev) // SAMPLE)][:SAMPLE]
        before = len(rehearsal.calls)
        for model in map(stand_in, plan.pool if sample else ()):
            for example in sample:
                await model.generate(example.request, scope=Scope(example=example.id))
        bills.append(_bill(rehearsal.calls[before:], len(task.dev) / max(1, len(sample))))
    return _add(bills)


def _add(bills: Sequence[_Bill]) -> _Bill:
    costs = [b.cost for b in bills]
    return _Bill(sum(b.calls for b in bills), sum(b.tokens for b in bills),
                 None if None in costs else sum(c or 0.0 for c in costs), sum(b.seconds for b in bills))


def _range(values: Sequence[float]) -> Range:
    return Range(min(values), max(values))


def _sum_up(name: str, task: str, bills: Sequence[_Bill]) -> Estimate:
    costs = [b.cost for b in bills]
    return Estimate(name, task, 0, _range([b.calls for b in bills]), _range([b.tokens for b in bills]),
                    None if None in costs else _range([c or 0.0 for c in costs]), _range([b.seconds for b in bills]))


def _estimate(name: str, task: str, questions: int, bills: Sequence[_Bill], model: Model | None) -> Estimate:
    told = _sum_up(name, task, bills)
    limit, text = None, ""
    if isinstance(model, Team):
        per_question = most_calls(model.method, len(model.members))
        limit, text = None if per_question is None else per_question * questions, model.method.cost
    note = "; ".join(dict.fromkeys(b.note for b in bills if b.note))
    nested = isinstance(model, Team) and any(isinstance(m, Team) for m in model.members)
    if limit is not None and not nested and told.calls.high > limit * 1.001:
        note = "; ".join(filter(None, [note, f"more calls than its formula allows ({limit:.0f})"]))
    return Estimate(name, task, questions, told.calls, told.tokens, told.cost, told.seconds, text, limit, note)
