"""Every text method on the embedded pool, against the vote over the members' first drafts.

    python benchmarks/text/nursery.py [--limit 400] [--only NAME ...] [--without NAME ...]
    python benchmarks/text/nursery.py --page                    # the table of what is finished, into docs/results

Methods are those that the registry has, with their default options. All share one store, so that each first draft is
written once; a stopped run goes on where it was. Results stay in `--work`, as `consilience bench` leaves them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from blocks import insert
from consilience.bench import statistics as st
from consilience.bench.experiment import Entry, Experiment, parse
from consilience.bench.leaderboard import verdict
from consilience.bench.plan import make_plan
from consilience.bench.progress import Progress
from consilience.bench.results import Row, read_rows
from consilience.bench.runner import run
from consilience.errors import ConfigError, TeamError
from consilience.method import Level
from consilience.registry import methods

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "results" / "text_nursery.md"
VOTE = "majority-vote"
READABLE = 0.9
"""Share of answers that must be readable."""


def experiment(limit: int, dev: int, names: list[str]) -> Experiment:
    """The mixed task, the four specialists, a verifier for whoever needs one."""
    asked = {"pool": "nursery", "tasks": "nursery", "methods": names, "limit": limit, "dev": dev,
             "roles": {"verifier": "nursery/verifier"}}
    return replace(parse(asked), name="text methods on the nursery")


def playable(limit: int, dev: int, names: list[str]) -> tuple[list[str], dict[str, str]]:
    """The methods that the pool can play, and why it cannot play the others."""
    able, why = [], {}
    for name in names:
        try:
            make_plan(replace(experiment(limit, dev, [name]), methods=(Entry(name),), controls=False))
        except (TeamError, ConfigError) as error:
            why[name] = str(error)
        else:
            able.append(name)
    return able, why


@dataclass(frozen=True, slots=True)
class Line:
    """A contestant: its scores in the order of the questions, and means over them."""

    name: str
    kind: str
    scores: np.ndarray
    readable: float
    fallbacks: float
    calls: float
    tokens: float

    def cells(self, vote: np.ndarray, p: float) -> list[str]:
        """The line of the table; `p` of the difference to the vote, adjusted for the number of methods."""
        low_high = st.wilson(float(self.scores.sum()), len(self.scores))
        delta = float((self.scores - vote).mean())
        interval = st.percentiles(st.resampled_means(self.scores - vote))
        said = "" if self.name == VOTE else verdict(delta, interval, p)
        return [self.name, self.kind, f"{self.scores.mean():.1%}", f"{low_high.low:.1%} – {low_high.high:.1%}", f"{self.readable:.1%}",
                f"{self.fallbacks:.0%}", f"{100 * delta:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]", said,
                f"{self.calls:.1f}", f"{self.tokens:.0f}"]

    def helps(self, vote: np.ndarray) -> bool:
        """Readable, and not shown to be worse than the vote. Unadjusted: that lists rather too many than too few as of no help."""
        interval = st.percentiles(st.resampled_means(self.scores - vote))
        return self.readable >= READABLE and not (interval.high < 0 and st.paired_p(self.scores, vote) < 0.05)


def lines(work: Path) -> list[Line]:
    """What was measured on the questions that everybody has answered, best first."""
    found: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in read_rows(work):
        found[row.method][row.id] = row
    most = max(map(len, found.values()))
    whole = {name: rows for name, rows in found.items() if len(rows) == most}
    ids = sorted(set.intersection(*(set(rows) for rows in whole.values())))
    return sorted((_line(name, [rows[id_] for id_ in ids]) for name, rows in whole.items()), key=lambda one: -one.scores.mean())


def _line(name: str, rows: list[Row]) -> Line:
    def mean(read: str) -> float:
        return float(np.mean([getattr(row, read) for row in rows]))

    readable = float(np.mean([not row.unread and not row.error for row in rows]))
    fallbacks = float(np.mean([bool(row.fallback) for row in rows]))
    return Line(name, rows[0].kind, np.array([row.score for row in rows]), readable, fallbacks, mean("calls"), mean("completion_tokens"))


def adjusted(found: list[Line], vote: np.ndarray) -> dict[str, float]:
    """P-values of the differences to the vote: of the methods by Holm's rule, of the others as they are."""
    plain = {one.name: st.paired_p(one.scores, vote) for one in found}
    family = [one.name for one in found if one.kind == "method" and one.name != VOTE]
    return plain | dict(zip(family, st.holm([plain[name] for name in family]), strict=True))


def table(found: list[Line], vote: np.ndarray, ps: dict[str, float]) -> str:
    """In Markdown."""
    head = ["", "", "score", "95% interval", "readable", "fell back", "difference to the vote", "", "calls", "tokens written"]
    rule = ["---", "---", "--:", "--:", "--:", "--:", "--:", "---", "--:", "--:"]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *(one.cells(vote, ps[one.name]) for one in found)))


def page(work: Path) -> None:
    """Write the tables into the page."""
    found = lines(work)
    vote = next(one.scores for one in found if one.name == VOTE)
    ps = adjusted(found, vote)
    insert(PAGE, "all", f"{table(found, vote, ps)}\n\n{len(vote)} test questions; calls and tokens per question. What is called better or "
           "worse is so after Holm's correction for the number of methods.")
    idle = [one for one in found if one.kind == "method" and not one.helps(vote)]
    insert(PAGE, "no help", table(idle, vote, ps) if idle else "None.")


def tell(state: Progress) -> None:
    """A line when a contestant begins its fit, and when it is done."""
    if state.stage in ("fit", "done", "left out"):
        print(f"{time.strftime('%H:%M:%S')} {state.method}: {state.stage}, {state.done} questions, {state.tokens} tokens", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--dev", type=int, default=48)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--without", nargs="+", default=[])
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "text-nursery")
    parser.add_argument("--page", action="store_true", help="run nothing, write the table")
    given = parser.parse_args()
    if not given.page:
        names = [name for name, method in methods().items() if method.level is Level.TEXT and name not in given.without]
        able, why = playable(given.limit, given.dev, [n for n in names if not given.only or n in given.only or n == VOTE])
        for name, reason in why.items():
            print(f"left out: {name}: {reason}", file=sys.stderr)
        plan = make_plan(experiment(given.limit, given.dev, sorted(able, key=lambda name: name != VOTE)))
        asyncio.run(run(plan, given.work, progress=tell))
    found = lines(given.work)
    vote = next(one.scores for one in found if one.name == VOTE)
    print(table(found, vote, adjusted(found, vote)))
    if given.page:
        page(given.work)


if __name__ == "__main__":
    main()
