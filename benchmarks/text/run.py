"""Votes and judges on the recorded answers of real models, replayed through the library's methods.

    python benchmarks/text/run.py                 # plays what is missing under runs/text, then writes docs/results/text.*
    python benchmarks/text/run.py --only gsm8k-21 --again
    python benchmarks/text/run.py --page          # the page alone

The recordings are read from `$CONSILIENCE_DATA/recorded` (else `../shared/data/recorded` beside the repository). One thread,
about three CPU minutes.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "routing"))

from sets import ROOT, Recordings, by_name, prepared
from votes import (
    WEIGHTS,
    Ballots,
    Pages,
    correlation,
    echoed,
    independent_majority,
    mark,
    ranking,
    subsets,
    voted,
)

import consilience as cs
from consilience.model import Model
from consilience.tasks.task import Split
from consilience.team import Team, run_sync
from consilience.types import Example, Reply

log = logging.getLogger("text")

SETS = ("gsm8k-21", "gsm8k-hosted", "cruxeval-26", "mmlu-pro", "routerbench-arc", "emotion")
"""Sets whose answers can be compared; the second is the part of the first whose members have prices."""
DEV, TEST = 300, 1000
"""Questions of a split, at most."""
SUBSETS = 30
"""Teams drawn of each size and split, where there are more."""
CHECKED = 40
"""Test questions of a split on which counted votes are held against the library's own teams."""
STOPPED = 200
"""Test questions of a split on which votes stop early."""
TOPS = (3, 5, 7)
"""Sizes of the teams of the best on dev."""
PICTURED = 5
"""Size of the random teams by which it is shown when votes lose."""


class Arena:
    """A recorded set: members, the ballots on all questions in use, and its splits as places among them."""

    def __init__(self, recordings: Recordings, seeds: int) -> None:
        self.recordings, self.members = recordings, recordings.members
        parts = [recordings.split(seed, DEV, TEST) for seed in range(seeds)]
        place: dict[str, int] = {}
        self.examples: list[Example] = []
        for example in (e for dev, test in parts for e in (*dev, *test)):
            if example.id not in place:
                place[example.id] = len(self.examples)
                self.examples.append(example)
        self.splits = [tuple(np.array([place[e.id] for e in part]) for part in pair) for pair in parts]
        self.ballots = Ballots.of(self.members, self.examples)

    def held(self, test: np.ndarray, standing: np.ndarray, team: Sequence[int], weights: str, counted: np.ndarray) -> None:
        """The library's own team must answer as was counted. Raises AssertionError where it does not."""
        asked = Split("held", tuple(self.examples[q] for q in test[:CHECKED]))
        some = sorted(team)
        own = Team(cs.MajorityVote(weights=weights, stop="never"), [self.members[i] for i in some], standing=standing[some].tolist())
        [found] = run_sync(asked.replies([own]))
        if [run_sync(mark(e, s)) for e, s in zip(asked, found, strict=True)] != counted[:CHECKED].tolist():
            raise AssertionError(f"{self.recordings.source.name}: a {weights} vote of {some} differs from the library's")


def sizes(n: int) -> list[int]:
    """Numbers of members at which curves are drawn."""
    return sorted({k for k in (1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15, 18, 21, 26) if k < n} | {n})


def play(name: str, work: Path, seeds: int) -> dict[str, Any]:
    """All figures of one set."""
    arena = Arena(prepared(by_name(name), work), seeds)
    pages, teams = Pages(len(arena.examples)), []
    for seed, (dev, test) in enumerate(arena.splits):
        standing = arena.ballots.at(dev).score.mean(axis=0)
        there = arena.ballots.at(test)
        fixed(arena, pages, dev, test, standing)
        teams += curves(arena, pages, test, standing, there, seed)
        stopping(arena, pages, test, standing)
    score, n = arena.ballots.score, len(arena.members)
    found = {key: asdict(pages.figure(key)) for key in sorted(pages.sums)}
    gaps = {key: asdict(pages.difference(key, "best single")) for key in pages.sums if key.startswith(("vote ", "top ", "chosen", "oracle", "random"))}
    added = {key: asdict(pages.difference(key, key.rpartition(", ")[0] + ", equal")) for key in pages.sums
             if key.startswith(("vote ", "top ")) and not key.endswith("equal")}
    paired = {key: asdict(pages.difference(key, key.replace("vote", "best", 1).rpartition(",")[0]))
              for key in pages.sums if key.startswith("size ") and " vote" in key}
    p = score.mean(axis=0)
    return {"set": name, "members": {m.card.name: float(q) for m, q in zip(arena.members, p, strict=True)}, "questions": len(score),
            "figures": found, "gaps": gaps, "added": added, "paired": paired, "teams": teams,
            "spread": float(p.max() - p.mean()), "correlation": correlation(score >= 0.5), "echoed": echoed(arena.ballots),
            "published": float(abs(p - arena.ballots.published.mean(axis=0)).max()),
            "majority": float(((score >= 0.5).mean(axis=1) > 0.5).mean()), "independent": independent_majority(p), "n": n}


def fixed(arena: Arena, pages: Pages, dev: np.ndarray, test: np.ndarray, standing: np.ndarray) -> None:
    """Controls, the vote of all, the votes of the best on dev, and what dev would choose among them."""
    order, there = ranking(standing), arena.ballots.at(test)
    pages.add("best single", test, there.score[:, order[0]])
    pages.add("random member", test, there.score.mean(axis=1))
    pages.add("oracle", test, there.score.max(axis=1))
    before = arena.ballots.at(dev)
    choices = [(before.score[:, order[0]].mean(), there.score[:, order[0]])]
    n = len(order)
    for label, team in [(f"vote of all {n}", order)] + [(f"top {k}", order[:k]) for k in TOPS if k < n]:
        for weights in WEIGHTS:
            counted = voted(there, standing, team, weights)
            arena.held(test, standing, team, weights, counted)
            pages.add(f"{label}, {weights}", test, counted)
            choices.append((voted(before, standing, team, weights).mean(), counted))
    pages.add("chosen on dev", test, max(choices, key=lambda pair: round(float(pair[0]), 9))[1])


def curves(arena: Arena, pages: Pages, test: np.ndarray, standing: np.ndarray, there: Ballots, seed: int) -> list[dict[str, float]]:
    """Quality against the number of members: random teams, and the best on dev. Returns what the pictured teams are like."""
    pictured, order, n = [], ranking(standing), len(standing)
    for k in sizes(n):
        for number, team in enumerate(subsets(n, k, SUBSETS, seed)):
            some = list(team)
            best = there.score[:, max(some, key=lambda i: (round(standing[i], 12), -i))]
            votes = {w: voted(there, standing, team, w) for w in WEIGHTS}
            if number == 0:
                arena.held(test, standing, team, WEIGHTS[k % 3], votes[WEIGHTS[k % 3]])
            parts = {**{f"vote, {w}": v for w, v in votes.items()}, "best": best, "random": there.score[:, some].mean(axis=1),
                     "oracle": there.score[:, some].max(axis=1)}
            for what, values in parts.items():
                pages.add(f"size {k:02} {what}", test, values)
            if k == PICTURED:
                right = there.score[:, some] >= 0.5
                pictured.append({"gain": float((votes["equal"] - best).mean()), "weighted": float((votes["log-odds"] - best).mean()),
                                 "spread": float(standing[some].max() - standing[some].mean()), "correlation": correlation(right)})
        for weights in ("equal", "log-odds"):
            pages.add(f"size {k:02} top, {weights}", test, voted(there, standing, order[:k], weights))
    return pictured


def stopping(arena: Arena, pages: Pages, test: np.ndarray, standing: np.ndarray) -> None:
    """The library's vote that stops when the lead cannot be caught, against the same vote that asks all: calls, money, and
    whether the winning reading is the same."""
    some, scores = test[:STOPPED], tuple(standing.tolist())
    asked = Split("stop", tuple(arena.examples[q] for q in some))
    orders: dict[str, tuple[Sequence[Model], tuple[float, ...] | None]] = {"best first": (arena.members, scores)}
    if arena.recordings.priced:
        price = np.nanmean(arena.ballots.cost, axis=0)
        cheap = sorted(range(len(price)), key=lambda i: (price[i], i))
        orders["cheapest first"] = ([arena.members[i] for i in cheap], None)
    for label, (members, known) in orders.items():
        for weights in WEIGHTS[:2] if known else WEIGHTS[:1]:
            full, short = run_sync(asked.replies([Team(cs.MajorityVote(weights=weights, stop=stop), members, standing=known)
                                                  for stop in ("never", "calls")]))
            rows = [(q, a.reply, b.reply) for q, a, b in zip(some, full, short, strict=True) if a.reply is not None and b.reply is not None]
            name, where = f"stop {label}, {weights}", np.array([q for q, _, _ in rows])
            pages.add(f"{name}: calls", where, np.array([b.usage.calls / len(members) for _, _, b in rows]))
            pages.add(f"{name}: same", where, np.array([run_sync(_same(arena.examples[q], a, b)) for q, a, b in rows], dtype=float))
            if arena.recordings.priced:
                pages.add(f"{name}: money", where, np.array([b.cost / a.cost for _, a, b in rows]))


async def _same(example: Example, one: Reply, other: Reply) -> bool:
    """Whether two replies are read as the same answer."""
    assert example.request.format is not None
    return len(set(await example.request.format.group([one.reading, other.reading]))) == 1


def stored(work: Path, name: str, make: Callable[[], Any], again: bool) -> Any:
    """A result under the work folder, made where it is missing."""
    path = work / f"{name}.json"
    if again or not path.exists():
        started = time.process_time()
        found = make()
        path.write_text(json.dumps({"cpu": time.process_time() - started, "found": found}), encoding="utf-8")
        log.info("%s: %.0f CPU s", name, time.process_time() - started)
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="sets and parts; default: all")
    parser.add_argument("--again", action="store_true", help="play anew what is there already")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "text")
    parser.add_argument("--page", action="store_true", help="write the page alone")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    given.work.mkdir(parents=True, exist_ok=True)
    import parts

    jobs: dict[str, Callable[[], Any]] = {name: lambda name=name: play(name, given.work, given.seeds) for name in SETS}
    jobs |= parts.jobs(given.work, given.seeds)
    if not given.page:
        for name in given.only or jobs:
            if name not in jobs:
                parser.error(f"there is no part {name}; there are {', '.join(jobs)}")
            stored(given.work, name, jobs[name], given.again)
    missing = [name for name in jobs if not (given.work / f"{name}.json").exists()]
    if missing:
        log.warning("no page yet: %s must be played first", ", ".join(missing))
        return
    from page import write

    write(given.work, given.seeds, list(jobs))


if __name__ == "__main__":
    main()
