"""Writes `docs/results/routing.md` and its figure from finished cells."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import consilience
from run import CONTROLS, TARGET, VOTING, cell_path, finished
from sets import LEFT_OUT, ROOT, SOURCES
from verdicts import Figure, Game, Row, mixture_area, rows_of

RESULTS = ROOT / "docs" / "results"

Played = dict[str, tuple[Game, list[Row]]]
"""Splits and contestants by set."""

PUBLISHED = (("random", 50.07, 79.93, 0.500), ("BERT, Arena", 49.43, 77.80, 0.502), ("causal LLM, Arena", 48.88, 77.93, 0.499),
             ("matrix factorisation, Arena", 45.00, 76.86, 0.524), ("similarity-weighted ranking, Arena", 55.82, 80.25, 0.473),
             ("BERT, Arena + golden labels", 41.30, 72.20, 0.572), ("causal LLM, Arena + golden labels", 35.49, 70.31, 0.600),
             ("matrix factorisation, Arena + golden labels", 35.46, 71.40, 0.597),
             ("similarity-weighted ranking, Arena + golden labels", 35.40, 71.55, 0.603))
"""RouteLLM on MMLU (arXiv 2406.18665, tables 1 to 3): CPT(50%), CPT(80%) in percent of strong calls, APGR."""

COUNTERPARTS = {"LLMRouter kNN": "knn-router", "LLMRouter SVM": "svm-router", "LLMRouter MLP": "mlp-router",
                "LLMRouter MF": "matrix-factorisation"}

HEAD = """# Routing on the recorded answers of real models

Every router and cascade of the library on {sets} sets of published answers of real models, beside what it must beat: the
best single member (chosen on dev), and a coin between two members at the same cost. Written by

```bash
python benchmarks/routing/run.py --jobs 2
python benchmarks/routing/peers.py --python PEERS/bin/python
python benchmarks/routing/speed.py --python PEERS/bin/python
python benchmarks/routing/run.py --page
```

on {date} (consilience {version}; {cells} cells, {cpu:.0f} CPU minutes of fitting). Five seeded splits into halves that are disjoint by content,
of at most {dev} dev and {test} test questions each (`--dev`, `--limit` set them). All methods have their default options,
except where the name says otherwise.

## How to read the tables

- *score* is the mean over test questions, *cost* in US dollars per 1,000 questions, both of the method **without a target** (it
  seeks the best score on dev).
- *to best single*: difference to the member that was best on dev. *to mixture*: difference to the best mixture of two members that
  costs the same, a coin between two neighbours of the members' front on dev.
- *curve over mixtures*: how much higher the method's whole cost-quality curve lies than that of mixtures of two members, on average
  over costs from the cheapest to the best member of the front. Routers that ask one member are swept over 24 prices of money, those
  that do more than that over 3; other methods are fitted to one trade-off more; settings that no one would choose count too. *AIQ* is RouterBench's measure (arXiv 2403.12031): mean height of the
  non-decreasing convex hull of the same points, which flatters many noisy settings; therefore the verdict is on the curve.
- Of a weak and a strong member: *PGR* without a target, *CPT* (share of strong calls that recovers 50% or 80% of the gap), *APGR*
  (0.5 is a coin), as RouteLLM takes them: thresholds at 10 quantiles, linear interpolation, trapezoid, contaminated prompts removed.
- Brackets are 95% intervals over questions and splits (both resampled; {resamples} resamples). **better**/**worse** needs a p-value below .05
  after Holm's adjustment over all methods on the set, and an interval without zero; all else is no difference shown. For
  scores p is of sign flips over questions, for curves normal by the resamples' standard error.
"""


def write(work: Path, dev: int, test: int) -> None:
    """The page and the figure."""
    from verdicts import RESAMPLES

    results = {source.name: rows_of(source, work) for source in SOURCES}
    played = {name: (game, rows) for name, (game, rows, _) in results.items() if game is not None}
    cells = finished(work)
    parts = [HEAD.format(sets=len(played), date=datetime.now(UTC).strftime("%d %B %Y"), version=consilience.__version__, cells=len(cells),
                         cpu=sum(c["fit"] for c in cells) / 60, dev=dev, test=test, resamples=RESAMPLES),
             _findings(played), _unfinished(played), _targets(played), _pairs(played), _peers(played, cells, work), _speed(work), _tables(played),
             _refusals({name: refused for name, (_, _, refused) in results.items()}), _left_out()]
    RESULTS.mkdir(parents=True, exist_ok=True)
    draw(played, RESULTS / "routing.png")
    (RESULTS / "routing.md").write_text("\n\n".join(part.strip() for part in parts if part) + "\n", encoding="utf-8")


def _shown(figure: Figure | None, scale: float = 1.0, digits: int = 3, signed: bool = False) -> str:
    if figure is None or math.isnan(figure.value):
        return "–"
    kind = f"{'+' if signed else ''}.{digits}f"
    mark = f" **{figure.verdict}**" if figure.verdict in ("better", "worse") else ""
    return f"{scale * figure.value:{kind}} [{scale * figure.low:{kind}}, {scale * figure.high:{kind}}]{mark}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(["| " + " | ".join(head) + " |", "| --- " + "| --: " * (len(head) - 1) + "|",
                      *("| " + " | ".join(row) + " |" for row in rows)])


def _methods(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.kind == "method"]


def _findings(played: Played) -> str:
    lines, silent = [], []
    for name, (game, rows) in played.items():
        mine = _methods(rows)
        best, oracle = (next(r for r in rows if r.name == n) for n in ("best on dev", "oracle"))
        top = max(mine, key=lambda r: r.quality.value)
        curves = [r for r in mine if r.area is not None]
        high = max(curves, key=lambda r: r.area.value if r.area else 0.0) if curves else None
        up = sum(r.against_best is not None and r.against_best.verdict == "better" for r in mine)
        above = sum(r.area is not None and r.area.verdict == "better" for r in curves)
        if not up and not above:
            silent.append(name)
        lines.append([name, str(len(game.splits[0].names)), f"{best.quality.value:.3f}", f"{oracle.quality.value:.3f}",
                      f"{top.name} {_shown(top.against_best, signed=True)}", f"{up} of {len(mine)}",
                      f"{high.name} {_shown(high.area, signed=True)}" if high else "no costs", f"{above} of {len(curves)}" if curves else "–"])
    text = ["## Findings", "", _table(["set", "members", "best single", "oracle", "highest score: to best single", "better than best single",
                                       "highest curve: over mixtures", "curve better than mixtures"], lines), "",
            "The highest of many is flattered by having been picked; the adjustment of the verdicts covers that, the bare figure does not.", ""]
    if silent:
        text.append(f"**On {len(silent)} of {len(played)} sets no method is shown to beat the controls**: {', '.join(silent)}. There nothing learned is "
                    "shown to do better than the best member alone, or than a coin between two members.")
    text += ["", _reading(played), "", "![Cost and quality of routers, members and mixtures on each set](routing.png)"]
    return "\n".join(text)


def _reading(played: Played) -> str:
    """Which methods win where, counted."""
    won: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, (_, rows) in played.items():
        for row in _methods(rows):
            for key, label in (("against_best", "score"), ("area", "curve")):
                figure = getattr(row, key)
                if figure is not None and figure.verdict in ("better", "worse"):
                    won[row.name][f"{figure.verdict} {label}"].append(name)
    order = sorted(won, key=lambda m: -len(won[m]["better score"]) - len(won[m]["better curve"]) + len(won[m]["worse score"]) + len(won[m]["worse curve"]))
    heads = ("better score", "worse score", "better curve", "worse curve")
    plays = {m: sum(any(r.name == m for r in rows) for _, rows in played.values()) for m in won}
    return "Sets on which each method differs from the best single member (score) or from mixtures of two (curve):\n\n" + _table(
        ["method", "sets played", *heads], [[m, str(plays[m]), *(_list(won[m][h]) for h in heads)] for m in order])


def _list(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names)}" if names else "0"


def _unfinished(played: Played) -> str:
    """Which methods have fewer splits behind them than there are."""
    most = max(len(game.splits) for game, _ in played.values())
    short = [f"{len(game.splits)} on {name}" for name, (game, _) in played.items() if len(game.splits) < most]
    found: dict[str, list[str]] = defaultdict(list)
    for name, (game, rows) in played.items():
        for row in rows:
            if row.kind not in ("control", "member") and row.splits < len(game.splits):
                found[row.name].append(f"{row.splits} of {len(game.splits)} on {name}")
    lines = [f"all methods: {', '.join(short)}"] if short else []
    lines += [f"{method}: {', '.join(where)}" for method, where in sorted(found.items())]
    silent = [f"{name} on {', '.join(where)}" for name, where in _absent(played).items()]
    lines += [f"not played yet: {'; '.join(silent)}"] if silent else []
    if not lines:
        return ""
    return (f"## Splits that are missing\n\nNot every cell of this run has been played: the rest of {most} splits per set is a matter of machine time (`run.py` goes on where it "
            "stopped). Where a single split was played, the intervals cover the choice of questions alone, so its verdicts say less than they seem to.\n\n" + "\n".join(f"- {line}" for line in lines))


def _absent(played: Played) -> dict[str, list[str]]:
    """Routers that ask one member, and on which sets they have not been played: those can replay all of them."""
    names = {row.name for _, rows in played.values() for row in _methods(rows) if row.chooses}
    return {name: where for name in sorted(names) if (where := [s for s, (_, rows) in played.items() if all(r.name != name for r in rows)])}


def _targets(played: Played) -> str:
    """What a stated target gave, and what had been promised."""
    lines, kept, times = [], 0, 0
    for name, (game, rows) in played.items():
        best = next(r for r in rows if r.name == "best on dev")
        for row in rows:
            if row.kind != "target" or row.cost is None or best.cost is None or row.promised is None:
                continue
            share = row.quality.value / best.quality.value
            times, kept = times + 1, kept + (share >= 0.95)
            lines.append([name, row.name.partition(",")[0], _shown(row.promised), _shown(row.quality), f"{100 * share:.1f}%",
                          f"{row.promised_cost:.{_digits(rows)}f}", _shown(row.cost, digits=_digits(rows)), f"{100 * row.cost.value / best.cost.value:.0f}%"])
    if not lines:
        return ""
    return (f"## A stated target: {TARGET}\n\nRouters fitted with `min_quality: {TARGET}`, which asks for the cheapest setting that keeps 95% of the best single "
            f"member's score. What fitting told to expect was measured on dev questions that the estimates had not seen. On test the 95% were reached in {kept} of {times} "
            "cases (means over the splits).\n\n" + _table(["set", "router", "expected score", "score on test", "of the best single's", "expected cost", "cost on test",
                                                         "of the best single's"], lines))


def _pairs(played: Played) -> str:
    parts = ["## A weak and a strong member, beside RouteLLM's published figures"]
    for name, (game, rows) in played.items():
        if not game.source.pair[0]:
            continue
        mine = sorted((r for r in rows if r.kind in ("method", "peer")), key=lambda r: -(r.apgr.value if r.apgr else -1))
        lines = [[r.name, _shown(r.pgr, digits=2), _shown(r.cpt50, 100, 1), _shown(r.cpt80, 100, 1), _shown(r.apgr)] for r in mine]
        if name == "routellm-mmlu":
            lines += [[f"*published, all 57 subjects:* {who}", "–", f"{a:.2f}", f"{b:.2f}", f"{c:.3f}"] for who, a, b, c in PUBLISHED]
        parts.append(f"### {name}\n\n" + _table(["", "PGR without a target", "CPT(50%), % strong calls", "CPT(80%)", "APGR"], lines))
        if name == "routellm-mmlu":
            parts.append("The published figures are of the whole of MMLU (57 subjects; here the 29 with an even index are recorded), of routers trained "
                         "on Chatbot Arena, with *golden labels* of MMLU's validation split (about 1,500 questions) added where said. Ours learned from "
                         "the dev half of the same 29 subjects alone. So the figures stand side by side; they are not a race on one track.")
    return "\n\n".join(parts)


def _peers(played: Played, cells: Sequence[dict[str, Any]], work: Path) -> str:
    by_key = {(c["set"], c["seed"], c["method"]): c for c in cells}
    lines = []
    for name, (game, rows) in played.items():
        have = {r.name: r for r in rows}
        line = [name]
        for peer, ours in COUNTERPARTS.items():
            if peer not in have or ours not in have:
                line.append("–")
                continue
            seeds = [s for s in game.seeds if (name, s, ours) in by_key and (name, s, peer) in by_key]
            firsts = [[np.load(cell_path(work, by_key[name, seed, who]))["quality"][0] for seed in seeds] for who in (ours, peer)]
            gap = Game.of(game.source, work, seeds).difference(*firsts)
            clear = gap.p < 0.05 and (gap.low > 0 or gap.high < 0)
            line.append(f"{np.mean([f.mean() for f in firsts[0]]):.3f} / {np.mean([f.mean() for f in firsts[1]]):.3f} ({100 * gap.value:+.1f}{'*' if clear else ''})")
        lines.append(line)
    if all(cell == "–" for line in lines for cell in line[1:]):
        return ""
    return ("## Beside LLMRouter\n\nLLMRouter 0.4.0's own `KNNRouter`, `SVMRouter`, `MLPRouter` and `MFRouter` with the hyper-parameters of its training "
            "configurations, fitted on the same splits and the same vectors (TF-IDF of the questions' words, fitted on dev; its own embedder, a Longformer "
            "checkpoint, could not be downloaded here, so its scores with it are not known). Where several members answer a dev question equally well, its label is the one whose row comes first; "
            "the best on dev was put first, which serves it best. Score of ours / LLMRouter's (difference in points; * where p < .05 "
            "by sign flips over questions, not adjusted, and the interval excludes zero).\n\n"
            + _table(["set", *(f"{ours} / {peer}" for peer, ours in COUNTERPARTS.items())], lines))


def _speed(work: Path) -> str:
    path = work / "speed.json"
    if not path.exists():
        return ""
    told = json.loads(path.read_text(encoding="utf-8"))
    base = next((r["decide_ms"] for r in told["rows"] if r["router"] == "knn-router"), None)
    lines = [[r["router"], f"{r['fit_cpu_s']:.1f}", f"{r['decide_ms']:.3f}",
              f"{r['decide_ms'] / base:.2f}" if base else "–"] for r in told["rows"]]
    return (f"## Speed\n\n{told['questions']:,} dev questions of 60 words, {told['members']} members, one question at a time, warm, one thread, on a machine that others used as well, so that ratios "
            "within this run say more than milliseconds. A decision of ours includes the question's vector; those of the peers leave it out "
            "(LLMRouter embeds with Longformer, RouteLLM with an OpenAI model that needs a key), and RouteLLM's is between two models. Its fit is 100 epochs, scaled from 2.\n\n"
            + _table(["router", "fit, CPU s", "decision, CPU ms", "decision, to knn-router"], lines))


def _tables(played: Played) -> str:
    return "\n\n".join(["## Every set", *(_set_table(game, rows) for game, rows in played.values())])


def _set_table(game: Game, rows: Sequence[Row]) -> str:
    source, priced = game.source, game.priced
    head = ["", "score", *(["cost", "calls"] if priced else ["calls"]), "to best single", *(["to mixture", "curve over mixtures", "AIQ"] if priced else [])]
    order = {"control": 0, "method": 1, "peer": 2}
    shown = sorted((r for r in rows if r.kind in order), key=lambda r: (order[r.kind], -r.quality.value if r.kind != "control" else 0))
    lines = []
    for row in shown:
        money = [_shown(row.cost, digits=_digits(rows)), f"{row.calls:.2f}"] if priced else [f"{row.calls:.2f}"]
        mixed = [_shown(row.against_mixture, signed=True), _shown(row.area, signed=True), _shown(row.aiq)] if priced else []
        few = f" ({row.splits} of {len(game.splits)} splits)" if row.splits < len(game.splits) else ""
        lines.append([f"*{row.name}*" if row.kind == "control" else row.name + few, _shown(row.quality), *money, _shown(row.against_best, signed=True), *mixed])
    if priced:
        aiq, _ = mixture_area(game)
        lines.insert(4, ["*mixtures of two*", "–", "–", "–", "–", "–", "–", _shown(aiq)])
    members = ", ".join(f"{r.name} {r.quality.value:.3f}" + (f" (${r.cost.value:.{_digits(rows)}f})" if r.cost else "") for r in rows if r.kind == "member")
    asked = len({i for s in game.splits for i in s.where.tolist()})
    return (f"### {source.name}\n\n{source.about[0].upper()}{source.about[1:]}. Costs: {source.costs}. Recording `{source.file}`; {len(game.splits)} splits, {asked:,} questions "
            f"in their tests, {min(len(s.where) for s in game.splits):,} in each.\n\n{_table(head, lines)}\n\nMembers: {members}.")


def _digits(rows: Sequence[Row]) -> int:
    cost = max((r.cost.value for r in rows if r.cost), default=1.0)
    return 2 if cost >= 1 else 4


def _refusals(refused: dict[str, dict[str, str]]) -> str:
    """Methods that cannot be replayed, with the reason, sets of one reason together."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, reasons in refused.items():
        for label, reason in reasons.items():
            found[label, _general(reason)].append(name)
    lines = [[label, reason, "all" if len(names) == len(refused) else ", ".join(names)] for (label, reason), names in sorted(found.items())]
    return ("## Not replayable\n\nA recording gives what was recorded and nothing else; nothing is approximated. These methods were refused, with the library's own reason:\n\n"
            + "\n".join(["| method | reason | sets |", "| --- | --- | --- |", *("| " + " | ".join(line) + " |" for line in lines)])
            + f"\n\nThe controls {' and '.join(CONTROLS)} are computed from the recorded scores. *{VOTING}* is agreement-based cascading (arXiv 2407.02348): "
            "the three cheapest members (of unknown cost: the second to fourth on dev) vote, and where they disagree the best on dev is asked.")


def _general(reason: str) -> str:
    """The reason without the name of a set's first member."""
    for part, general in (("log-probabilities", "the members are recorded without token log-probabilities"),
                          ("what was not recorded", "it asks members what was not recorded, such as prompts of its own"),
                          ("does not offer Continue", "it goes on from a partial answer (power Continue), which recorded members cannot"),
                          ("the target speaks of money", "the target speaks of money, and the members' costs are unknown"),
                          ("was asked for;", "it takes further draws of a member than were recorded"),
                          ("not the prompt form", "the members are recorded: they were asked the question alone, not another prompt form")):
        if part in reason:
            form = reason.partition("the prompt form ")[2]
            return f"{general} ({form})" if form else general
    return reason.replace("|", "/").replace("\n", " ")


def _left_out() -> str:
    return "## Recordings that are left out\n\n" + "\n".join(f"- *{name}*: {why}" for name, why in LEFT_OUT.items())


def draw(played: Played, path: Path) -> None:
    """Cost and quality on every priced set: members, their mixtures, and the curves of the three methods with the highest ones."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    priced = [(game, rows) for game, rows in played.values() if game.priced]
    if not priced:
        return
    across = min(3, len(priced))
    figure, axes = plt.subplots(-(-len(priced) // across), across, figsize=(4.6 * across, 3.6 * -(-len(priced) // across)), squeeze=False)
    for axis in axes.flat[len(priced):]:
        axis.axis("off")
    for axis, (game, rows) in zip(axes.flat, priced, strict=False):
        _panel(axis, game, rows)
    figure.tight_layout()
    figure.savefig(path, dpi=80, bbox_inches="tight")
    plt.close(figure)


def _panel(axis: Any, game: Game, rows: Sequence[Row]) -> None:
    members = [r for r in rows if r.kind == "member"]
    axis.scatter([r.cost.value for r in members if r.cost], [r.quality.value for r in members], color="0.55", s=18, label="members", zorder=3)
    costs = [r.cost.value for r in members if r.cost]
    if max(costs) > 20 * min(costs):
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
    oracle = next(r for r in rows if r.name == "oracle")
    axis.axhline(oracle.quality.value, color="0.8", linestyle=":", linewidth=1)
    axis.annotate("oracle", (0.02, oracle.quality.value), xycoords=("axes fraction", "data"), fontsize=7, color="0.5", va="bottom")
    _, (x, y) = mixture_area(game)
    axis.plot(*_dense(x, y), color="0.35", linestyle="--", linewidth=1, label="mixtures of two")
    curves = sorted((r for r in _methods(rows) if r.area is not None and r.curve is not None and r.splits == len(game.splits)), key=lambda r: -r.area.value if r.area else 0.0)
    for row, color in zip(curves[:3], ("#1b6ca8", "#d1495b", "#3a7d44"), strict=False):
        assert row.curve is not None
        cost, score = (c[1:] for c in row.curve)
        order = np.argsort(cost)
        axis.plot(*_dense(cost[order], score[order]), color=color, linewidth=1.4, label=row.name)
        axis.scatter(cost, score, color=color, s=6)
    axis.set_title(game.source.name, fontsize=9)
    axis.set_xlabel("US dollars per 1,000 questions", fontsize=7)
    axis.set_ylabel("score, %", fontsize=7)
    axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    axis.tick_params(labelsize=7)
    axis.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False)     # it covers no point


def _dense(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line with so many points that it stays straight in money on a logarithmic axis."""
    grid = np.unique(np.concatenate([np.linspace(x.min(), x.max(), 400), x]))
    return grid, np.interp(grid, x, y)
