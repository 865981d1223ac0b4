"""Running a plan: fit once, ask every question, write what finishes, survive a kill, and derive the controls."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from consilience.bench.code import code_digest
from consilience.bench.fits import content_digest, dump, fit_key, needs_fit, restore
from consilience.bench.leaderboard import Standing
from consilience.bench.lineup import DECODING, count_inside, leaves, tried, wear, wear_inside
from consilience.bench.plan import ORACLE, Contestant, LeftOut, Plan, PlannedRun, extras_of, first
from consilience.bench.progress import Progress, Watch
from consilience.bench.record import RunRecord, claim, held, resolved_yaml
from consilience.bench.results import (EXPERIMENT, Results, Row, failed_row, make_row, prompted, read_rows, write_questions,
                                       write_text)
from consilience.bench.split import DevSplit, Known
from consilience.bench.stream import Stream, in_order
from consilience.errors import ConsilienceError, ModelError, NoAnswerError, TeamError
from consilience.gather import clock
from consilience.model import Model
from consilience.models.wrappers.budgeted import Budget
from consilience.models.wrappers.metered import Meter
from consilience.prompt import sent
from consilience.store import Store
from consilience.tasks.score import score
from consilience.team import Team, ordered
from consilience.types import Draws, Example, Reply, Scope, digest

VERSION = 1
"""Version of what a row means; rows of another version are answered again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished benchmark: its folder, its report, the leaderboard as values, and what was left out."""

    folder: Path
    report: Path
    leaderboard: tuple[Standing, ...]
    left_out: tuple[LeftOut, ...]


async def run(plan: Plan, out: str | Path, *, store: str | Path | None = None, progress: Watch | None = None,
              retry_failed: bool = False) -> Outcome:
    """Run a plan, or go on with it: questions whose rows are in `out` are not asked again.

    The store (default: `out/store.sqlite`) keeps every draw, and may be shared between benchmarks. With
    `retry_failed`, questions that nobody answered are asked again. Raises StoreError when the disk is full or a file
    is damaged; what was written before stays; ConfigError when another benchmark is at work in `out`.
    """
    from consilience.bench.report import publish

    out = Path(out)
    with held(out):
        claim(out, plan.experiment.name)
        with Results(out) as results, Store(store if store is not None else out / "store.sqlite") as kept:
            bench = _Bench(plan, kept, results, progress or (lambda _: None), not retry_failed)
            write_text(out / EXPERIMENT, resolved_yaml(plan))
            write_questions(out, [(task.name, task.test) for task in plan.tasks])
            try:
                with calm_collector():
                    await bench.go()
            finally:
                bench.record.write(out)
            results.settle(bench.place)
        page, board = publish([out])
        return Outcome(out, page, tuple(board), tuple(bench.record.left_out))


@contextmanager
def calm_collector() -> Iterator[None]:
    """Garbage collection at wider steps: replies are trees without cycles, and scanning them was a tenth of a call."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@dataclass(slots=True)
class _Tally:
    """Progress of one run, on the wall clock of this invocation."""

    planned: PlannedRun
    watch: Watch
    done: int
    begun: float = field(default_factory=time.monotonic)
    here: int = 0
    tokens: int = 0
    cost: float | None = 0.0
    unanswered: int = 0

    def count(self, row: Row) -> None:
        """One more row."""
        self.done += 1
        self.here += 1
        self.tokens += row.prompt_tokens + row.completion_tokens
        self.cost = None if self.cost is None or (row.cost is None and not row.error) else self.cost + (row.cost or 0.0)
        self.unanswered += bool(row.error)
        self.tell("run")

    def tell(self, stage: str) -> None:
        """Send the state to whoever watches."""
        total, taken = len(self.planned.task.test), time.monotonic() - self.begun
        rate = self.here / taken if taken > 0 else 0.0
        left = (total - self.done) / rate if rate else None
        self.watch(Progress(self.planned.name, self.planned.task.name, stage, self.done, total, self.tokens, self.cost,
                            self.unanswered, rate, left))


class _Bench:
    def __init__(self, plan: Plan, store: Store, results: Results, watch: Watch, keep_failed: bool) -> None:
        self.plan, self.store, self.results, self.watch = plan, store, results, watch
        self.spending = Meter()
        self.record = RunRecord.load(results.folder, plan)
        self.known: dict[str, Known] = {}
        self.contents: dict[str, dict[str, str]] = {}
        self.done = results.done(failed=keep_failed)
        self.places: dict[str, tuple[int, ...]] = {}

    def place(self, key: str) -> tuple[int, ...] | None:
        """Where a row stands in the final file; None for what no longer belongs to the experiment."""
        return self.places.get(key)

    async def go(self) -> None:
        """Run everything, one contestant after the other; members come first, so that all share their drafts."""
        for number, planned in enumerate(self.plan.runs):
            before = replace(self.spending)
            try:
                await self._run(number, planned)
            except (ConsilienceError, ExceptionGroup) as error:
                fault = first(error)
                if not isinstance(fault, TeamError) or not self._dispensable(planned):
                    raise fault from None
                self._leave_out(number, planned, fault)
            finally:
                self.record.spend(planned.task.name, planned.name, before, self.spending)
            self.record.write(self.results.folder)
        for task in self.plan.tasks:
            if task.dev:
                await self._best(task.name)

    def _dispensable(self, planned: PlannedRun) -> bool:
        """Whether a contestant that turns out not to be playable is left out: nobody named it, or it needs what was
        not recorded."""
        recorded = any(m.card.recorded for m in self.plan.pool)
        return self.plan.experiment.methods is None or planned.contestant.kind == "control" or recorded

    def _leave_out(self, number: int, planned: PlannedRun, error: BaseException) -> None:
        self.places = {key: place for key, place in self.places.items() if place[0] != number}
        self.record.left_out.append(LeftOut(planned.name, str(error), planned.task.name))
        _Tally(planned, self.watch, 0).tell("left out")

    async def _run(self, number: int, planned: PlannedRun) -> None:
        contestant, task = planned.contestant, planned.task
        if contestant.model is None:
            await self._oracle(number, planned)
            return
        model, code = contestant.model, ""
        if isinstance(model, Team):
            model, code = await self._fit(model, planned), code_digest(model)
        worn = wear(model, self.store, self.spending)
        about = [VERSION, task.name, contestant.name, model.card.fingerprint, code]
        budget = self.plan.experiment.budget
        identity = digest(about if budget is None else [*about, budget])
        extras = self._extras(model)
        if task.name not in self.contents:
            self.contents[task.name] = {e.id: content_digest(e) for e in task.test}
        looked_at = prompted(list(self.contents[task.name]))
        contents, remembers = self.contents[task.name], bool(ordered(worn))
        contents = in_order(contents) if remembers else contents
        keys = {id_: f"{identity}{content}" for id_, content in contents.items()}
        todo = self._todo(number, task.test, keys)
        stream = Stream(worn, self.store, task.test, contents, identity) if remembers else None
        if stream is not None:
            todo = stream.resume(todo)
            self.record.orders.setdefault(task.name, {})[contestant.name] = stream.order
        tally = _Tally(planned, self.watch, len(task.test) - len(todo))
        tally.tell("run")

        async def work() -> None:
            """Answer questions until none is left."""
            while todo:
                example = todo.pop()
                wanted = extras | {"prompts"} if example.id in looked_at else extras
                row, reply = await self._answer(contestant, worn, task.name, example, keys[example.id], wanted)
                self.results.write(row if stream is None else replace(row, memory=stream.orders[example.id]), reply)
                if stream is not None:
                    await stream.keep(example)
                tally.count(row)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.plan.window if stream is None else 1, len(todo))):
                    group.create_task(work())
        finally:
            if stream is not None:
                stream.show(self.results.folder, contestant.name, task.name)
        tally.tell("done")

    def _todo(self, number: int, examples: Sequence[Example], keys: dict[str, str]) -> list[Example]:
        """The questions without a row, last one first."""
        self.places |= {keys[e.id]: (number, i) for i, e in enumerate(examples)}
        return [e for e in reversed(examples) if keys[e.id] not in self.done]

    def _extras(self, model: Model) -> frozenset[str]:
        """Extras wanted with the drafts: everybody's, unless a member cannot give them or the team decodes."""
        if isinstance(model, Team) and model.method.level in DECODING:
            return extras_of(model)
        able = all("logprobs" in leaf.card.settings for leaf in leaves(model))
        return self.plan.extras if able else self.plan.extras - {"logprobs"}

    async def _answer(self, who: Contestant, model: Model, task: str, example: Example, key: str,
                      extras: frozenset[str]) -> tuple[Row, Reply | None]:
        name = (who.name, who.kind, who.level)
        clock.set(0.0)
        try:
            [reply] = await model.generate(example.request, Draws(), self._scope(example, extras))
        except (ConsilienceError, ExceptionGroup) as error:
            fault = first(error)
            if not isinstance(fault, (NoAnswerError, ModelError)):
                raise
            return failed_row(name, task, example, fault, key), None
        reply = reply.read(example.request.format)
        if "prompts" in extras:
            reply = reply.having(prompt=sent(example.request, model.card))
        return make_row(name, task, example, reply, await score(example, reply), key), reply

    def _scope(self, example: Example, extras: frozenset[str]) -> Scope:
        """What goes with a test question: everybody may spend the budget on it."""
        budget = self.plan.experiment.budget
        return Scope(Budget(budget) if budget is not None else None, example=example.id, extras=extras)

    async def _fit(self, team: Team, planned: PlannedRun) -> Team:
        """The team as dev made it; what was found before, in an earlier run too, is taken from the store."""
        task = planned.task
        if not task.dev or not needs_fit(team):
            return team
        key = fit_key(team, task.dev)
        found: dict[str, Any] | None = self.store.get("fits", key)
        if found is None:
            _Tally(planned, self.watch, 0).tell("fit")
            meter = Meter()
            bare = wear_inside(team, self.store, self.spending)
            split = DevSplit(task.name, task.dev, self.plan.window, self._extras(team),
                             self.known.setdefault(task.name, {}), meter,
                             lambda model: tried(model, self.store, self.spending, meter))
            fitted = await count_inside(bare, meter).fit(split)
            usage = meter.usage
            found = {"team": dump(fitted), "cost": meter.known_cost, "calls": usage.calls,
                     "tokens": usage.prompt_tokens + usage.completion_tokens}
            await self.store.put("fits", key, found)
            found = json.loads(json.dumps(found))
        self.record.fit(task.name, planned.name, found)
        return restore(team, found["team"])

    async def _oracle(self, number: int, planned: PlannedRun) -> None:
        """The control that knows the references: per question the best of the members' first draws, at the price of
        all of them."""
        task, members = planned.task, [c.name for c in self.plan.members]
        table = _member_rows(self.results.folder, task.name, set(members), self.places)
        rows = {e.id: [row for name in members if (row := table.get((name, e.id))) is not None] for e in task.test}
        keys = {e.id: digest([VERSION, task.name, ORACLE, [row.key for row in rows[e.id]]]) for e in task.test}
        todo = self._todo(number, task.test, keys)
        tally = _Tally(planned, self.watch, len(task.test) - len(todo))
        for example in reversed(todo):
            row = replace(_best_row(rows[example.id]), method=planned.name, kind="control", level="control",
                          key=keys[example.id])
            self.results.write(row, None)
            tally.count(row)
        tally.tell("done")

    async def _best(self, task: str) -> str:
        """The member that is best on dev; without dev, the first. Ties go to the cheaper, then to pool order."""
        if task not in self.record.best:
            examples = next(t.dev for t in self.plan.tasks if t.name == task)
            pool = [c.model for c in self.plan.members if c.model is not None]
            split = DevSplit(task, examples, self.plan.window, self.plan.extras, self.known.setdefault(task, {}))
            rows = await split.replies([wear(m, self.store, self.spending) for m in pool])
            self.record.rank(task, pool, [sum(s.score for s in row) / max(1, len(row)) for row in rows])
        return self.record.best[task]


def _member_rows(folder: Path, task: str, members: set[str], places: dict[str, tuple[int, ...]]) -> dict[tuple[str, str], Row]:
    """Rows of the members on a task, by (member, question); the last one of a key counts."""
    return {(row.method, row.id): row for row in read_rows(folder)
            if row.task == task and row.method in members and row.kind == "member" and row.key in places}


def _best_row(rows: Sequence[Row]) -> Row:
    costs = [row.cost for row in rows]
    return replace(max(rows, key=lambda row: row.score), calls=sum(r.calls for r in rows), draws=sum(r.draws for r in rows),
                   prompt_tokens=sum(r.prompt_tokens for r in rows),
                   completion_tokens=sum(r.completion_tokens for r in rows),
                   cost=None if None in costs else sum(c or 0.0 for c in costs),
                   seconds=max(r.seconds for r in rows), members=[r.method for r in rows])
