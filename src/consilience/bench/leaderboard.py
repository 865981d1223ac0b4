"""The leaderboard: scores with intervals, differences to the best single member, and what they took."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from consilience.bench import statistics as st
from consilience.bench.results import write_text
from consilience.bench.table import Column, Source, TaskTable

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of the leaderboard: a contestant on a task.

    `difference` is the score minus that of the best single member (`reference`), on the same questions, with its 95%
    interval, `p` (McNemar's exact test or sign flips) and `p_adjusted` (Holm, over all methods on the task). Calls,
    draws, tokens, cost (US dollars, None: unknown) and seconds are sums over the questions, as first recorded;
    `fallbacks` counts answers that another step gave than the method meant. `spent` is what was really paid, the fit
    included; `fit_cost` is what the fit takes without a store. `memory`: it was on,
    and this is the digest of the order of questions.
    """

    method: str
    kind: str
    level: str
    task: str
    questions: int
    score: float
    ci_low: float
    ci_high: float
    reference: str
    difference: float | None
    diff_low: float | None
    diff_high: float | None
    p: float | None
    p_adjusted: float | None
    verdict: str
    unread: float
    unanswered: int
    fallbacks: int
    calls: int
    draws: int
    prompt_tokens: int
    completion_tokens: int
    tokens: int
    cost: float | None
    seconds: float
    spent: float | None
    fit_cost: float | None
    memory: str = ""


def rank(table: TaskTable, sources: Sequence[Source]) -> list[Standing]:
    """The lines of one task."""
    columns, reference = table.columns, table.reference
    clusters = st.shared_source(table.clusters)
    ps = [None if reference is None or c is reference else st.paired_p(c.score, reference.score, clusters)
          for c in columns]
    family = [i for i, c in enumerate(columns) if c.kind == "method" and ps[i] is not None]
    adjusted = dict(zip(family, st.holm([p for i in family if (p := ps[i]) is not None]), strict=True))
    lines = []
    for i, column in enumerate(columns):
        difference = None
        if reference is not None and ps[i] is not None:
            difference = st.interval_of_difference(column.score - reference.score, clusters)
        lines.append(_line(table, column, sources, st.interval_of_mean(column.score, clusters), difference, ps[i], adjusted.get(i)))
    return sorted(lines, key=lambda line: (-line.score, line.cost if line.cost is not None else math.inf))


def _line(table: TaskTable, column: Column, sources: Sequence[Source], interval: st.Interval,
          difference: st.Interval | None, p: float | None, adjusted: float | None) -> Standing:
    record = next(s.record for s in sources if s.folder == column.folder)
    reference, score = table.reference, float(column.score.mean())
    plain = column.method.split(" @ ")[0]
    paid = record.spent.get(table.name.split(" @ ")[0], {}).get(plain)
    fit = record.fits.get(table.name.split(" @ ")[0], {}).get(plain)
    delta = score - float(reference.score.mean()) if reference is not None and difference is not None else None
    cost = column.sum("cost")
    return Standing(
        column.method, column.kind, column.level, table.name, len(table.ids), score, interval.low, interval.high,
        reference.method if reference is not None else "", delta, difference.low if difference else None,
        difference.high if difference else None, p, adjusted, verdict(delta, difference, adjusted if adjusted is not None
                                                                      else p),
        float(column.values["unread"].mean()), int(column.sum("error")), int(column.sum("fallback")),
        int(column.sum("calls")),
        int(column.sum("draws")), int(column.sum("prompt_tokens")), int(column.sum("completion_tokens")),
        int(column.sum("prompt_tokens") + column.sum("completion_tokens")), None if math.isnan(cost) else cost,
        column.sum("seconds"), None if paid is None or paid["unpriced"] else paid["cost"],
        fit["cost"] if fit is not None else 0.0,
        record.orders.get(table.name.split(" @ ")[0], {}).get(plain, ""))


def verdict(delta: float | None, interval: st.Interval | None, p: float | None) -> str:
    """In plain words: better or worse than the best single member, or no difference shown."""
    if delta is None or interval is None or p is None:
        return "the best single member"
    if p >= ALPHA or interval.holds_zero:
        return "no difference shown"
    return "better" if delta > 0 else "worse"


def write_csv(path: Path, board: Sequence[Standing]) -> None:
    """Write `leaderboard.csv`; unknown values are empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [f.name for f in fields(Standing)]
    writer.writerow(names)
    for line in board:
        writer.writerow([_cell(getattr(line, name)) for name in names])
    write_text(path, buffer.getvalue())


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return "" if value is None else value
