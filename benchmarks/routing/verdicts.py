"""From finished cells to figures with intervals and verdicts.

Intervals cover questions and splits: in each resample the questions of a set are drawn with replacement (a question
with all its appearances in the five splits), the splits likewise, and a statistic is taken per split and averaged. p-values of
differences in score are of sign flips on a question's mean difference over the splits; those of areas are normal, by the
resamples' standard error. Holm's adjustment runs over all methods on a set, for each comparison. `better` and `worse` need an
adjusted p below .05 and an interval without zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from consilience.bench.curves import calls_for, front, mean_height, mean_recovered, mixture
from consilience.bench.statistics import flips, holm, percentiles
from consilience.learn.routers import Router
from consilience.registry import methods
from run import arena_path, cell_path, finished, targeted
from sets import Source

RESAMPLES = 300

Curve = tuple[np.ndarray, np.ndarray]
"""Mean costs and mean scores of settings."""


@dataclass(frozen=True)
class Figure:
    """A value with its 95% interval and, for differences, its p-value and verdict."""

    value: float
    low: float
    high: float
    p: float = math.nan
    verdict: str = ""


@dataclass(frozen=True)
class Split:
    """One split of a set: what the members did on dev (means) and on test ([questions, members])."""

    names: tuple[str, ...]
    where: np.ndarray
    score: np.ndarray
    cost: np.ndarray
    dev: Curve

    @cached_property
    def best(self) -> int:
        """The best member on dev; ties: the cheaper, then the first."""
        cost, quality = self.dev
        return int(np.lexsort((np.nan_to_num(cost, nan=np.inf), -np.round(quality, 12)))[0])

    @cached_property
    def vertices(self) -> np.ndarray:
        """Members on the front of dev, cheap to dear: no coin between two others beats them there."""
        cost, quality = self.dev
        x, y = front(cost, quality)
        return np.array([int(np.flatnonzero((cost == a) & (quality == b))[0]) for a, b in zip(x, y, strict=True)])


@dataclass(frozen=True)
class Game:
    """All splits of a set, with the weights of the resamples; the first resample is the data as they are."""

    source: Source
    seeds: tuple[int, ...]
    splits: tuple[Split, ...]
    questions: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, source: Source, work: Path, seeds: Sequence[int]) -> Game:
        """The set as it was played."""
        found = [dict(np.load(arena_path(work, source.name, seed))) for seed in seeds]
        place = {id_: i for i, id_ in enumerate(sorted({id_ for f in found for id_ in f["ids"].tolist()}))}
        splits = tuple(Split(tuple(f["names"].tolist()), np.array([place[i] for i in f["ids"].tolist()]), f["score"], f["cost"],
                             (f["dev_cost"].mean(axis=0), f["dev_score"].mean(axis=0))) for f in found)
        rng = np.random.default_rng(0)
        draw = [rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) for n in (len(place), len(splits))]
        questions, weights = (np.concatenate([np.ones((1, d.shape[1])), d]).astype(np.float32) for d in draw)
        return cls(source, tuple(seeds), splits, questions, weights)

    @property
    def priced(self) -> bool:
        """Whether all costs are known."""
        return not any(np.isnan(s.cost).any() for s in self.splits)

    def means(self, values: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Of [settings, questions] of each split: [resamples, settings]."""
        out = []
        for split, value in zip(self.splits, values, strict=True):
            w = self.questions[:, split.where]
            out.append((w @ value.T.astype(np.float32)).astype(float) / w.sum(axis=1, keepdims=True))
        return out

    def figure(self, per_split: Sequence[np.ndarray]) -> Figure:
        """Of [resamples] of each split: the mean over the splits, its interval, and the p-value that it is nil."""
        table = np.stack(per_split, axis=1)
        known = ~np.isnan(table)
        with np.errstate(invalid="ignore"):
            drawn = (np.where(known, table, 0) * self.weights).sum(axis=1) / (known * self.weights).sum(axis=1)
        value, rest = float(drawn[0]), drawn[1:][~np.isnan(drawn[1:])]
        if math.isnan(value) or not len(rest):
            return Figure(math.nan, math.nan, math.nan)
        span, error = percentiles(rest), float(rest.std())
        return Figure(value, span.low, span.high, math.erfc(abs(value) / error / math.sqrt(2)) if error else 1.0)

    def mean(self, values: Sequence[np.ndarray]) -> Figure:
        """The mean of [questions] of each split."""
        return self.figure([m[:, 0] for m in self.means([v[None] for v in values])])

    def difference(self, a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> Figure:
        """The mean difference of two [questions] of each split, with the p-value of sign flips."""
        gaps = [np.round(x - y, 6) for x, y in zip(a, b, strict=True)]
        sums, counts = np.zeros(self.questions.shape[1]), np.zeros(self.questions.shape[1])
        for split, gap in zip(self.splits, gaps, strict=True):
            np.add.at(sums, split.where, gap)
            np.add.at(counts, split.where, 1)
        return replace(self.mean(gaps), p=flips(sums / np.maximum(counts, 1), resamples=1000))

    @cached_property
    def mixed(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Mean heights of mixtures of two members (their front on dev): of the curve as it is, and of its hull."""
        def points(split: Split) -> tuple[np.ndarray, np.ndarray]:
            return split.cost[:, split.vertices].T, split.score[:, split.vertices].T

        return self.heights(points, hull=False), self.heights(points, hull=True)

    def heights(self, points: Callable[[Split], tuple[np.ndarray, np.ndarray]], hull: bool) -> list[np.ndarray]:
        """Mean height of a curve between the cheapest and the best member of the front, of each split [resamples]; `points`
        gives the costs and scores [settings, questions] of its settings, to which the cheapest member is added."""
        out = []
        spans = self.means([s.cost[:, s.vertices].T for s in self.splits])
        cheap = self.means([s.score[:, s.vertices[:1]].T for s in self.splits])
        pairs = [points(split) for split in self.splits]
        costs, scores = self.means([c for c, _ in pairs]), self.means([q for _, q in pairs])
        for span, low, cost, score in zip(spans, cheap, costs, scores, strict=True):
            x, y = np.concatenate([span[:, :1], cost], axis=1), np.concatenate([low, score], axis=1)
            out.append(np.array([_height(a, b, s[0], s[-1], hull) for a, b, s in zip(x, y, span, strict=True)]))
        return out


def _height(cost: np.ndarray, score: np.ndarray, low: float, high: float, hull: bool) -> float:
    """Mean height between two costs: of the front (AIQ), or of the curve as it is, points of one cost averaged."""
    if hull:
        return mean_height(cost, score, low, high)
    order = np.argsort(cost, kind="stable")
    x, y = cost[order], score[order]
    if high <= low:
        return float(np.interp(low, x, y))
    inside = (x > low) & (x < high)
    grid, level = np.concatenate([[low], x[inside], [high]]), np.concatenate([[np.interp(low, x, y)], y[inside], [np.interp(high, x, y)]])
    return float(np.trapezoid(level, grid) / (high - low))


@dataclass(frozen=True)
class Row:
    """A contestant on a set. What a set or a contestant does not give is None."""

    name: str
    kind: str
    quality: Figure
    cost: Figure | None
    calls: float
    splits: int
    settings: int
    fit: float
    decide: float
    chooses: bool = False
    """Whether it is a router that asks one member by what it expects of each, so that any recording can replay it."""
    against_best: Figure | None = None
    against_mixture: Figure | None = None
    aiq: Figure | None = None
    area: Figure | None = None
    pgr: Figure | None = None
    cpt50: Figure | None = None
    cpt80: Figure | None = None
    apgr: Figure | None = None
    promised: Figure | None = None
    """What fitting told to expect: score and its interval, mean over the splits."""
    promised_cost: float = math.nan
    curve: Curve | None = None


def rows_of(source: Source, work: Path) -> tuple[Game | None, list[Row], dict[str, str]]:
    """Everybody on a set: controls, members, methods; and the methods that it cannot replay, with the reason."""
    cells = [r for r in finished(work) if r["set"] == source.name]
    refused = {r["method"]: r["refused"] for r in cells if r["refused"]}
    played = [r for r in cells if not r["refused"] and r["method"] not in refused]
    if not played:
        return None, [], refused
    games: dict[tuple[int, ...], Game] = {}
    found = []
    for name in dict.fromkeys(r["method"] for r in played):
        mine = {r["seed"]: r for r in played if r["method"] == name}
        seeds = tuple(sorted(mine))
        if seeds not in games:
            games[seeds] = Game.of(source, work, seeds)
        found.append(_row(games[seeds], name, [mine[seed] for seed in seeds], work))
    game = games[max(games, key=len)]
    for key in ("against_best", "against_mixture", "area"):
        found = _judged(found, key)
    return game, [*_controls(game), *found], refused


def _asks_one(name: str) -> bool:
    """Whether a label is that of a router that chooses before anybody answers."""
    cls = methods().get(name)
    return cls is not None and issubclass(cls, Router)


def kind_of(name: str) -> str:
    """`peer`, `target` (a method fitted to one) or `method`."""
    return "peer" if name.startswith("LLMRouter") else "target" if targeted(name) else "method"


def _judged(rows: list[Row], key: str) -> list[Row]:
    """The rows with verdicts on one comparison, adjusted for their number."""
    known = [(i, figure) for i, row in enumerate(rows) if row.kind != "target" and (figure := getattr(row, key)) is not None]
    out = list(rows)
    for (i, figure), p in zip(known, holm([f.p for _, f in known]), strict=True):
        clear = p < 0.05 and (figure.low > 0 or figure.high < 0)
        verdict = ("better" if figure.value > 0 else "worse") if clear else "no difference shown"
        out[i] = replace(rows[i], **{key: replace(figure, p=p, verdict=verdict)})
    return out


def _row(game: Game, name: str, cells: Sequence[dict[str, Any]], work: Path) -> Row:
    arrays = [dict(np.load(cell_path(work, cell))) for cell in cells]
    quality, cost = [a["quality"] for a in arrays], [a["cost"] for a in arrays]
    firsts = [q[0] for q in quality]
    kind = kind_of(name)
    row = Row(name, kind, game.mean(firsts), None,
              float(np.mean([c["calls"] for c in cells])), len(cells), min(len(q) for q in quality),
              float(np.mean([c["fit"] for c in cells])), float(np.mean([c["decide"] for c in cells])), _asks_one(name),
              against_best=game.difference(firsts, [s.score[:, s.best] for s in game.splits]))
    told = [c["expected"] for c in cells if c.get("expected")]
    if told:
        quality_told = np.mean([t["quality"] for t in told], axis=0)
        dollars = [t["cost_per_1k"][0] for t in told if t["cost_per_1k"]]
        row = replace(row, promised=Figure(*quality_told.tolist()), promised_cost=float(np.mean(dollars)) if dollars else math.nan)
    if game.priced:
        row = replace(row, cost=game.mean([1000 * c[0] for c in cost]),
                      against_mixture=game.difference(firsts, [_mixed(s, float(c[0].mean())) for s, c in zip(game.splits, cost, strict=True)]))
        if row.settings > 1 and kind != "target":
            row = _with_area(game, row, cost, quality)
    return _with_pair(game, row, firsts, [a["preference"] for a in arrays]) if game.source.pair[0] else row


def _mixed(split: Split, cost: float) -> np.ndarray:
    """Scores of the best mixture of two members (by their dev means) that costs as much on test."""
    paid = split.cost[:, split.vertices].mean(axis=0)
    order = np.argsort(paid, kind="stable")
    a, b, share = mixture(paid[order], np.maximum.accumulate(split.dev[1][split.vertices][order]) + 1e-12 * np.arange(len(order)), cost)
    first, second = split.vertices[order[a]], split.vertices[order[b]]
    return (1 - share) * split.score[:, first] + share * split.score[:, second]


def _with_area(game: Game, row: Row, cost: Sequence[np.ndarray], quality: Sequence[np.ndarray]) -> Row:
    """AIQ, and how much higher the curve lies on average than mixtures of two members."""
    own = {id(s): (c[1:], q[1:]) for s, c, q in zip(game.splits, cost, quality, strict=True)}
    plain = game.heights(lambda s: own[id(s)], hull=False)
    scale = 1000 * np.stack([c.mean(axis=1)[: row.settings] for c in cost]).mean(axis=0)
    level = np.stack([q.mean(axis=1)[: row.settings] for q in quality]).mean(axis=0)
    return replace(row, aiq=game.figure(game.heights(lambda s: own[id(s)], hull=True)),
                   area=game.figure([a - b for a, b in zip(plain, game.mixed[0], strict=True)]), curve=(scale, level))


def _with_pair(game: Game, row: Row, firsts: Sequence[np.ndarray], preference: Sequence[np.ndarray]) -> Row:
    """The measures of RouteLLM for a weak and a strong member."""
    weak, strong = ([m[:, 0] for m in game.means([s.score[:, [k]].T for s in game.splits])] for k in (0, 1))
    quality = [m[:, 0] for m in game.means([f[None] for f in firsts])]
    with np.errstate(invalid="ignore", divide="ignore"):
        row = replace(row, pgr=game.figure([(q - w) / (s - w) for q, w, s in zip(quality, weak, strong, strict=True)]))
    if any(np.isnan(p).any() for p in preference):
        return row
    calls = [_calls(p) for p in preference]
    shares = game.means(calls)
    levels = game.means([np.where(c, s.score[:, 1], s.score[:, 0]) for c, s in zip(calls, game.splits, strict=True)])

    def over(measure: Callable[..., float]) -> Figure:
        return game.figure([np.array([measure(*one) for one in zip(p, r, w, s, strict=True)])
                            for p, r, w, s in zip(shares, levels, weak, strong, strict=True)])

    return replace(row, cpt50=over(lambda p, r, w, s: calls_for(0.5, p, r, w, s)),
                   cpt80=over(lambda p, r, w, s: calls_for(0.8, p, r, w, s)), apgr=over(mean_recovered))


def _calls(preference: np.ndarray) -> np.ndarray:
    """Which questions go to the strong member at each threshold (the quantiles), from none to all."""
    levels = np.quantile(preference, np.linspace(0, 1, 11))
    return np.array([preference >= level for level in levels[:-1]] + [preference > levels[-1]])[::-1].astype(np.float32)


def _controls(game: Game) -> list[Row]:
    """Best on dev, cheapest, random, oracle, and every member."""
    splits = game.splits
    names = splits[0].names

    def row(name: str, kind: str, scores: list[np.ndarray], costs: list[np.ndarray], calls: float = 1.0) -> Row:
        return Row(name, kind, game.mean(scores), game.mean([1000 * c for c in costs]) if game.priced else None, calls, len(splits), 1, 0.0, 0.0)

    found = [row("best on dev", "control", [s.score[:, s.best] for s in splits], [s.cost[:, s.best] for s in splits])]
    if game.priced:
        cheap = [int(np.argmin(s.dev[0])) for s in splits]
        found.append(row("cheapest", "control", [s.score[:, i] for s, i in zip(splits, cheap, strict=True)],
                         [s.cost[:, i] for s, i in zip(splits, cheap, strict=True)]))
    found.append(row("random member", "control", [s.score.mean(axis=1) for s in splits], [s.cost.mean(axis=1) for s in splits]))
    oracle = [np.lexsort((s.cost, -s.score), axis=1)[:, 0] for s in splits]
    found.append(row("oracle", "control", [s.score.max(axis=1) for s in splits],
                     [s.cost[np.arange(len(o)), o] for s, o in zip(splits, oracle, strict=True)]))
    members = [row(n, "member", [s.score[:, i] for s in splits], [s.cost[:, i] for s in splits]) for i, n in enumerate(names)]
    return [*found, *sorted(members, key=lambda r: -r.quality.value)]


def mixture_area(game: Game) -> tuple[Figure, Curve]:
    """AIQ of the mixtures of two members (RouterBench's Zero router, its members chosen on dev), and their curve in dollars
    per 1,000 questions, the mean over the splits."""
    ends, lines = [], []
    for split in game.splits:
        cost = 1000 * split.cost[:, split.vertices].mean(axis=0)
        order = np.argsort(cost, kind="stable")
        ends.append((cost.min(), cost.max()))
        lines.append((cost[order], split.score[:, split.vertices].mean(axis=0)[order]))
    grid = np.linspace(*np.mean(ends, axis=0), 200)
    return game.figure(game.mixed[1]), (grid, np.mean([np.interp(grid, x, y) for x, y in lines], axis=0))
