"""What a benchmark will run: every contestant on every task, bound before any call, and what must be left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from consilience.bench.experiment import Entry, Experiment, Source
from consilience.bench.fits import needs_fit
from consilience.bench.lineup import Pool, leaves, make_pool
from consilience.bench.split import DevSplit
from consilience.errors import ConfigError, ModelError, NoAnswerError, TaskError, TeamError, did_you_mean
from consilience.methods.route.best_on_dev import BestOnDev
from consilience.methods.route.random_member import RandomMember
from consilience.methods.text.self_consistency import SelfConsistency
from consilience.method import Method
from consilience.model import Model, NextTokens, Weights
from consilience.registry import methods
from consilience.tasks import Unscored
from consilience.tasks import task as load_task
from consilience.team import Team, run_sync
from consilience.types import Example, Scope, digest

WINDOW = 64
"""Questions worked on at once when members are endpoints."""

TRIAL = 24
"""Dev questions on which a recorded pool shows whether it can replay a method."""

BEST, RANDOM, ORACLE, RESAMPLED = BestOnDev.name, RandomMember.name, "oracle", "self-consistency-of-best"
"""Names of the controls besides the single members."""


class Task(Protocol):
    """A named set of questions with a dev and a test split, disjoint by content."""

    @property
    def name(self) -> str:
        """What tables and results call it."""
        ...

    @property
    def dev(self) -> Sequence[Example]:
        """What methods learn from."""
        ...

    @property
    def test(self) -> Sequence[Example]:
        """What is reported."""
        ...


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions of one task that this experiment uses, as they will be asked."""

    name: str
    dev: tuple[Example, ...]
    test: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One line of the leaderboard. `kind` is `member`, `control` or `method`; the oracle, which knows the references,
    has no model. `beside` marks members that are shown for comparison and play in no team."""

    name: str
    kind: str
    level: str
    model: Model | None = None
    beside: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What will not run, on which task (empty: on all), and why."""

    name: str
    reason: str
    task: str = ""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One contestant on one task."""

    contestant: Contestant
    task: Questions

    @property
    def name(self) -> str:
        """The contestant's name."""
        return self.contestant.name


@dataclass(frozen=True)
class Plan:
    """Everything that will run, in order."""

    experiment: Experiment
    pool: tuple[Model, ...]
    tasks: tuple[Questions, ...]
    runs: tuple[PlannedRun, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def members(self) -> tuple[Contestant, ...]:
        """The members that play in teams."""
        seen = {r.name: r.contestant for r in self.runs if r.contestant.kind == "member" and not r.contestant.beside}
        return tuple(seen.values())

    @property
    def extras(self) -> frozenset[str]:
        """What all first drafts must bring: the union of what the methods want, so that they are shared."""
        teams = [r.contestant.model for r in self.runs if isinstance(r.contestant.model, Team)]
        wanted = frozenset().union(*(extras_of(t) for t in teams))
        able = all("logprobs" in m.card.settings for m in self.pool if not isinstance(m, Team))
        return wanted if able else wanted - {"logprobs"}

    @property
    def window(self) -> int:
        """Questions worked on at once: all of them where models in this process may have to be swapped."""
        local = any(m.power(Weights) is not None or m.power(NextTokens) is not None for m in self.pool)
        most = max((len(t.test) for t in self.tasks), default=1)
        return self.experiment.window or (max(1, most) if local else WINDOW)


def make_plan(experiment: Experiment, *, pool: Sequence[Model] | None = None,
              tasks: Sequence[Task] | None = None) -> Plan:
    """Bind all teams and load all tasks; no model is called, except recorded ones.

    `pool` and `tasks` stand in for what the experiment names. A method that is named and cannot be played is an error
    here (TeamError, ConfigError); of `all` methods such are left out, with the reason.
    """
    lineup = make_pool(experiment, pool)
    loaded = tasks if tasks is not None else [_task(source) for source in experiment.tasks]
    recorded = all(m.card.recorded for m in lineup.members)
    questions = tuple(_questions(experiment, task, recorded) for task in loaded)
    left_out: list[LeftOut] = []
    teams = _teams(experiment, lineup, left_out)
    _refuse_unknown_roles(experiment, teams)
    runs = [run for task in questions for run in _runs(experiment, lineup, teams, task, left_out)]
    if not runs:
        raise ConfigError("nothing can run: " + "; ".join(f"{one.name}: {one.reason}" for one in left_out))
    return Plan(experiment, lineup.members, questions, tuple(runs), tuple(dict.fromkeys(left_out)))


def _task(source: Source) -> Task:
    options = {"task": source} if isinstance(source, str) else dict(source)
    return load_task(options.pop("task"), **options)


def _questions(experiment: Experiment, task: Task, recorded: bool) -> Questions:
    test, dev = _chosen(task.test, experiment.limit), _chosen(task.dev, experiment.dev)
    if not test:
        raise TaskError(f"task {task.name}: the test split is empty")
    unscored = next((e.request.format for e in test if isinstance(e.request.format, Unscored)), None)
    if unscored is not None and not recorded:
        raise unscored.refusal()
    ids = [e.id for e in test]
    if len(set(ids)) != len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise TaskError(f"task {task.name}: two test questions have the id {twice!r}")
    return Questions(task.name, tuple(_asked(experiment, e) for e in dev), tuple(_asked(experiment, e) for e in test))


def _chosen(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """At most `limit` questions, skills in equal shares: the same ones each time, a smaller limit within a larger one."""
    if limit is None or len(examples) <= limit:
        return list(examples)
    order = sorted(range(len(examples)), key=lambda i: digest(["limit", examples[i].id, examples[i].question]))
    seen: Counter[str] = Counter()
    rank = {}
    for place in order:
        rank[place] = seen[examples[place].skill]
        seen[examples[place].skill] += 1
    return [examples[i] for i in sorted(sorted(order, key=lambda i: rank[i])[:limit])]


def _asked(experiment: Experiment, example: Example) -> Example:
    request = example.request.sampled(**experiment.sampling) if experiment.sampling else example.request
    form = experiment.form if experiment.form is not None and request.form is not None else request.form
    return replace(example, request=request.having(seed=experiment.seed, form=form))


def _teams(experiment: Experiment, pool: Pool, left_out: list[LeftOut]) -> list[Contestant]:
    entries = [Entry(name) for name in methods()] if experiment.methods is None else experiment.methods
    found = []
    for entry in entries:
        if experiment.controls and entry.method in (BEST, RANDOM) and not entry.members:
            continue
        try:
            team = pool.team(entry)
            check_extras(team)
        except (TeamError, ConfigError) as error:
            if experiment.methods is not None:
                raise
            left_out.append(LeftOut(entry.name, str(error)))
            continue
        found.append(Contestant(entry.name, "method", str(team.method.level), team))
    return found


def _refuse_unknown_roles(experiment: Experiment, teams: Sequence[Contestant]) -> None:
    """A role of the experiment goes to the methods that have it; one that no method has is a mistake."""
    own = [type(team.model.method) for team in teams if isinstance(team.model, Team)]
    known = {role.name for cls in (*methods().values(), *own) for role in cls.roles}
    for name in experiment.roles:
        if name not in known:
            raise ConfigError(f"roles: no method has the role {name!r}.{did_you_mean(name, known)}")


def extras_of(team: Team) -> frozenset[str]:
    """What a team and the teams in it want with their members' drafts."""
    return team.method.extras.union(*(extras_of(m) for m in team.members if isinstance(m, Team)))


def check_extras(team: Team) -> None:
    """TeamError naming the members that cannot give the log-probabilities that a team wants."""
    if "logprobs" in extras_of(team):
        lack = [m.card.name for m in leaves(team) if "logprobs" not in m.card.settings]
        if lack:
            raise TeamError(f"{team.name} needs token log-probabilities, which {', '.join(lack)} cannot give")


def _runs(experiment: Experiment, pool: Pool, teams: Sequence[Contestant],
          task: Questions, left_out: list[LeftOut]) -> list[PlannedRun]:
    members = [Contestant(m.card.name, "member", "member", m) for m in pool.members]
    members += [Contestant(m.card.name, "member", "member", m, beside=True) for m in pool.beside]
    controls = _controls(pool, task, left_out) if experiment.controls else []
    names = {c.name for c in (*members, *controls)}
    playable = []
    for contestant in (*controls, *teams):
        if contestant.kind == "method" and contestant.name in names:
            raise ConfigError(f"methods: {contestant.name!r} is also the name of a member or control; "
                              "give it another with `as`")
        reason = _hindrance(contestant, task)
        if reason is None:
            playable.append(contestant)
        elif contestant.kind == "control" or experiment.methods is None:
            left_out.append(LeftOut(contestant.name, reason, task.name))
        else:
            raise TeamError(f"{contestant.name} on {task.name}: {reason}")
    return [PlannedRun(c, task) for c in (*members, *playable)]


def _controls(pool: Pool, task: Questions, left_out: list[LeftOut]) -> list[Contestant]:
    if len(pool.members) < 2:
        return []
    methods: dict[str, Method] = {BEST: BestOnDev(), RANDOM: RandomMember(),
                                  RESAMPLED: SelfConsistency(draws=len(pool.members), stop="never")}
    if not task.dev:
        del methods[BEST]
        left_out.append(LeftOut(BEST, "the task has no dev split to choose on", task.name))
    teams = [Contestant(name, "control", "control", Team(method, pool.members, name=name))
             for name, method in methods.items()]
    return [*teams, Contestant(ORACLE, "control", "control")]


def _hindrance(contestant: Contestant, task: Questions) -> str | None:
    """Why a contestant cannot play on a task, or None."""
    team = contestant.model
    if not isinstance(team, Team):
        return None
    if team.method.compares and any(e.request.format is None for e in task.test):
        return "it compares answers, and the task has no answer format"
    if team.method.must_fit and needs_fit(team) and not task.dev:
        return "it must be fitted, and the task has no dev split"
    if any(m.card.recorded for m in leaves(team)):
        return run_sync(_replayable(team, task))
    return None


async def _replayable(team: Team, task: Questions) -> str | None:
    """Play on a few questions with recorded members, which costs nothing: what was not recorded shows itself."""
    try:
        if task.dev and needs_fit(team):
            dev = DevSplit("trial", task.dev[:TRIAL])
            rows = await dev.replies(team.members)
            if team.method.reads and not any(s.reply and s.reply.text for row in rows for s in row):
                return "it reads texts, and only scores were recorded"
            team = await team.fit(dev)
        for example in () if team.method.must_fit and team.method.learned is None else task.test[:TRIAL]:
            await _tried(team, example)
    except (ConfigError, TeamError, ExceptionGroup) as error:
        fault = first(error)
        if isinstance(fault, TeamError):
            return f"cannot be replayed: {fault}"
        if not isinstance(fault, ConfigError):
            raise
    return None


async def _tried(team: Team, example: Example) -> None:
    try:
        await team.generate(example.request, scope=Scope(example=example.id))
    except (NoAnswerError, ModelError):
        return


def first(error: BaseException) -> BaseException:
    """The first error in a group of errors, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
