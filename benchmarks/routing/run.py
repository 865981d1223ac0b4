"""Every router and cascade on every recorded set of real models' answers, beside what it must beat.

    python benchmarks/routing/run.py                        # everything, then docs/results/routing.md
    python benchmarks/routing/run.py --only routerbench --methods knn-router --seeds 1 --no-page
    python benchmarks/routing/run.py --page                 # the page alone, from what is there

A finished cell (set, split, method) is a line of `results.jsonl` in the work folder and an array file; a rerun skips it
unless the method's code has changed. `--again NAME` plays a method anew. Needs `[route]` and matplotlib; the recordings are found as `sets.py` says.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import ast  # noqa: E402
import inspect  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import multiprocessing  # noqa: E402
import time  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from concurrent.futures import ProcessPoolExecutor, as_completed  # noqa: E402
from dataclasses import asdict, dataclass  # noqa: E402
from functools import cache  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from consilience.bench.plan import first  # noqa: E402
from consilience.errors import ConfigError, NoAnswerError, TeamError  # noqa: E402
from consilience.model import Model  # noqa: E402
from consilience.registry import method, methods  # noqa: E402
from consilience.team import Team  # noqa: E402
from consilience.types import digest  # noqa: E402
from replay import Arena, Played, play  # noqa: E402
from sets import ROOT, SOURCES, Source, by_name, prepared  # noqa: E402

log = logging.getLogger("routing")

CONTROLS = ("best-on-dev", "random-member")
"""Methods of the route level that are controls here."""

TARGET = "95% of best"
"""The target that some routers are fitted to, besides."""

VARIANTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("knn-router, guarded", "knn-router", {"guarded": True}),
    ("cascade, agreement", "cascade", {"confidence": "agreement"}),
    ("slm-mux, 3 draws", "slm-mux", {"draws": 3}),
    *((f"{name}, {TARGET}", name, {"min_quality": TARGET}) for name in ("knn-router", "linear-router")),
)
"""Methods with options, beside all with their defaults: label, name, options."""

VOTING = "cascade over a vote"
"""Agreement-based cascading (arXiv 2407.02348): the three cheapest (of unknown cost: the second to fourth on dev) vote, and
where they disagree the best on dev is asked. It needs one draw of each."""


@dataclass(frozen=True)
class Plan:
    """What a process needs to know."""

    work: Path
    dev: int
    test: int
    patience: float
    only: tuple[str, ...]


def labels(chosen: Sequence[str]) -> list[str]:
    """All methods of the route level by default, the variants and the nested cascade; or those whose name is chosen."""
    names = [name for name, cls in methods().items() if cls.level == "route" and name not in CONTROLS]
    found = [*names, *(label for label, name, _ in VARIANTS if name in names), VOTING]
    return [label for label in found if not chosen or label in chosen or label.split(",")[0] in chosen]


def targeted(label: str) -> bool:
    """Whether this is a method that was fitted to the target: it has a table of its own."""
    return label.endswith(TARGET)


@cache
def code(label: str) -> str:
    """Digest of the code of a label's method, docstrings aside: a cell of other code is played again."""
    cls = methods().get({one: name for one, name, _ in VARIANTS}.get(label, "cascade" if label == VOTING else label))
    if cls is None:
        return ""
    tree = ast.parse(Path(inspect.getfile(cls)).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if not isinstance(node, ast.Expr)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
    return digest(ast.dump(tree))


def made(label: str, arena: Arena) -> tuple[Any, Sequence[Model] | None]:
    """The method of a label, and its members where they are not all."""
    if label == VOTING:
        return _voting(arena)
    options = {one: (name, options) for one, name, options in VARIANTS}
    name, given = options.get(label, (label, {}))
    return method(name, given), None


def _voting(arena: Arena) -> tuple[Any, Sequence[Model]]:
    quality, cost = (a.mean(axis=0) for a in arena.on_dev)
    best = arena.best
    others = [int(i) for i in np.argsort(cost if arena.recordings.priced else -quality, kind="stable") if i != best][:3]
    if len(others) < 3:
        raise TeamError("three members beside the best are needed to vote")
    vote = Team(method("majority-vote"), [arena.members[i] for i in others], name="vote of three")
    return method("cascade", {"confidence": "agreement", "draws": 1}), [vote, arena.members[best]]


def compete(plan: Plan, name: str, seed: int) -> int:
    """All cells of one split of a set that are not finished; their number."""
    done = [r for r in finished(plan.work) if r["set"] == name and r["code"] == code(r["method"])]
    settled = {r["method"] for r in done if r["seed"] == seed or r["refused"] or r["fit"] > plan.patience}
    todo = [label for label in labels(plan.only) if label not in settled]
    if not todo:
        return 0
    arena = Arena.of(prepared(by_name(name), plan.work), seed, plan.dev, plan.test)
    keep_arena(plan.work, arena)
    for label in todo:
        started = time.process_time()
        cell: dict[str, Any] = {"set": name, "seed": seed, "method": label, "code": code(label), "refused": "", "fit": 0.0, "decide": 0.0, "calls": 0.0}
        try:
            chosen, members = made(label, arena)
            played = play(arena, chosen, members)
            keep(plan.work, cell, played)
            cell |= {"fit": round(played.fit, 3), "decide": played.decide, "calls": round(played.calls, 4), "expected": played.expected}
        except (TeamError, ConfigError, NoAnswerError, ExceptionGroup) as error:
            cell["refused"] = str(first(error))[:400]
        except Exception as error:      # a fault of one method must not cost the others their cells
            log.exception("%s/%d %s", name, seed, label)
            cell["refused"] = f"it failed: {error!r}"[:400]
        note(plan.work, cell)
        log.info("%s/%d %s: %.1f CPU s %s", name, seed, label, time.process_time() - started, cell["refused"][:100])
    return len(todo)


def finished(work: Path) -> list[dict[str, Any]]:
    """The lines of finished cells; the last of a cell counts."""
    path = work / "results.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return list({(r["set"], r["seed"], r["method"]): r for r in map(json.loads, lines)}.values())


def note(work: Path, cell: dict[str, Any]) -> None:
    """Append a finished cell, in one write."""
    with (work / "results.jsonl").open("ab", buffering=0) as file:
        file.write((json.dumps(cell) + "\n").encode())


def cell_path(work: Path, cell: dict[str, Any]) -> Path:
    """Where the arrays of a cell are."""
    slug = "".join(c if c.isalnum() else "-" for c in cell["method"])
    return work / "cells" / f"{cell['set']}--{cell['seed']}--{slug}.npz"


def keep(work: Path, cell: dict[str, Any], played: Played) -> None:
    """Save what was played."""
    path = cell_path(work, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {k: v.astype(np.float32) for k, v in asdict(played).items() if isinstance(v, np.ndarray)}
    np.savez_compressed(path, **arrays)


def arena_path(work: Path, name: str, seed: int) -> Path:
    """Where a split and its members' results are."""
    return work / "arenas" / f"{name}--{seed}.npz"


def keep_arena(work: Path, arena: Arena) -> None:
    """Save what the members did, for the verdicts and for peers."""
    path = arena_path(work, arena.recordings.source.name, arena.seed)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    (dev_score, dev_cost), (score, cost) = arena.on_dev, arena.on_test
    np.savez_compressed(path, names=[m.card.name for m in arena.members], ids=[e.id for e in arena.test], score=score, cost=cost,
                        dev_score=dev_score, dev_cost=dev_cost, x_dev=arena.vectors.of([e.question for e in arena.dev]),
                        x_test=arena.vectors.of([e.question for e in arena.test]))


def drop(work: Path, again: Sequence[str], only: Sequence[str]) -> None:
    """Forget the cells of these methods (of all sets, or of those named)."""
    kept = [r for r in finished(work) if r["method"] not in again or (only and r["set"] not in only)]
    draft = work / "results.part"
    draft.write_text("".join(json.dumps(r) + "\n" for r in kept), encoding="utf-8")
    draft.rename(work / "results.jsonl")


def run_all(plan: Plan, sources: Sequence[Source], seeds: int, jobs: int) -> None:
    """All splits of all sets: one split of each first, sets that are part of another one last."""
    tasks = [(source.name, seed) for part in (False, True) for seed in range(seeds) for source in sources if source.part == part]
    started, done = time.time(), 0
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_quiet) as pool:
        for future in as_completed([pool.submit(compete, plan, *task) for task in tasks]):
            future.result()
            done += 1
            took = time.time() - started
            log.info("%d of %d splits, %.0f s, about %.0f s to go", done, len(tasks), took, took / done * (len(tasks) - done))


def _quiet() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="sets; default: all")
    parser.add_argument("--methods", nargs="*", default=[], help="methods; default: all of the route level")
    parser.add_argument("--again", nargs="*", default=[], help="methods to play anew")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--dev", type=int, default=300, help="dev questions of a split, at most")
    parser.add_argument("--limit", type=int, default=1000, help="test questions of a split, at most")
    parser.add_argument("--patience", type=float, default=120.0, help="CPU seconds of a fit after which other splits are left out")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "routing")
    parser.add_argument("--page", action="store_true", help="write the page alone")
    parser.add_argument("--no-page", action="store_true", help="write no page")
    given = parser.parse_args()
    _quiet()
    given.work.mkdir(parents=True, exist_ok=True)
    sources = [by_name(name) for name in given.only] or list(SOURCES)
    if given.again:
        drop(given.work, given.again, given.only)
    if not given.page:
        plan = Plan(given.work, given.dev, given.limit, given.patience, tuple(given.methods))
        run_all(plan, sources, given.seeds, given.jobs)
    if not given.no_page:
        from page import write

        write(given.work, given.dev, given.limit)


if __name__ == "__main__":
    main()
