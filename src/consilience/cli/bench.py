"""`consilience bench` and `consilience report`: compare methods, and show what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from consilience.cli.console import dollars, err, fitting, say, say_json, seconds, show_table, whisper
from consilience.cli.waiting import finish
from consilience.errors import ConfigError, NoAnswerError

if TYPE_CHECKING:
    from consilience.bench import LeftOut, Outcome, Plan, Progress, Range
    from consilience.bench.leaderboard import Standing


def bench(
    experiment: Annotated[Path, typer.Argument(help="A short YAML: pool, tasks, methods, limit, seed.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the results. [default: runs/NAME]")] = None,
    store: Annotated[Path | None, typer.Option(help="File that keeps every draw; several benchmarks may share one. "
                                                    "[default: OUT/store.sqlite]")] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many test questions per task.", min=1)] = None,
    methods: Annotated[str | None, typer.Option(help="Only these methods, by name or label: a,b,c.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed than the experiment's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan and price only: no model is asked.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Ask again where nobody answered.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the leaderboard (or the estimates) as JSON.")] = False,
) -> None:
    """Compare methods on tasks, with controls, intervals and a report. The same command goes on after an interruption.

    \b
    Examples:
      consilience bench examples/main.yaml
      consilience bench examples/main.yaml --dry-run
      consilience bench examples/gsm8k.yaml --limit 50 --methods majority-vote,cascade --out runs/try
    """
    from consilience.bench import load, make_plan, run

    names = None if methods is None else [name.strip() for name in methods.split(",") if name.strip()]
    if names == []:
        raise ConfigError("--methods names none; name some, as in --methods majority-vote,cascade, or leave it away")
    loaded = load(experiment, limit=limit, methods=names, seed=seed)
    folder = out or Path("runs") / loaded.name
    plan = make_plan(loaded)
    if dry_run:
        _price(plan, store or folder / "store.sqlite", json)
        return
    with _display() as watch:
        outcome = finish(run(plan, folder, store=store, progress=watch, retry_failed=retry_failed))
    if json:
        say_json([asdict(line) for line in outcome.leaderboard])
        return
    _tell_left_out(outcome.left_out)
    _tell_fallbacks(outcome)
    _tell_unanswered(outcome)
    _tell_unread(outcome)
    show_board(outcome.leaderboard)
    say(f"\nreport: {outcome.report}", style="bold")


def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders that bench left.")],
) -> None:
    """Rebuild report.html (and leaderboard.csv) from results; several folders become one report in the first.

    \b
    Examples:
      consilience report runs/main
      consilience report runs/seed-0 runs/seed-1 runs/seed-2
    """
    from consilience.bench import report as write

    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"there is no folder {folder}")
    say(str(write(folders)))


def _price(plan: Plan, store: Path | None, json: bool) -> None:
    """What the experiment would take: a range for each run, the dev drafts, and the total with shared draws once."""
    from consilience.bench import price
    from consilience.bench.rehearsal import REPLY_TOKENS

    estimates = finish(price(plan, store))
    if json:
        say_json([asdict(one) for one in estimates])
        return
    _tell_left_out(plan.left_out)
    show_table(["run", "task", "questions", "calls", "tokens", "cost", "seconds", "at most", "note"],
               [[one.method, one.task, one.questions or "", _range(one.calls), _range(one.tokens),
                 _range(one.cost, dollars) if one.cost is not None else "?", _range(one.seconds, seconds),
                 f"{one.formula_calls:,.0f}" if one.formula_calls is not None else "", one.note] for one in estimates],
               right=["questions", "calls", "tokens", "cost", "seconds", "at most"],
               spare=["questions", "seconds", "at most", "note", "task", "tokens"])
    say("\nRehearsed, no model was asked: from all members agreeing to all disagreeing. Draws that runs share count once in "
        f"the total. An answer whose length the store does not know counts {REPLY_TOKENS} tokens.", style="dim")
    if any(one.cost is None for one in estimates):
        say("cost ?: a member has no price. Give it one, in dollars per million tokens: {model: NAME, price: [PROMPT, COMPLETION]}",
            style="dim")


def _range(found: Range, show: Callable[[float], str] = lambda n: f"{n:,.0f}") -> str:
    low, high = sorted((found.low, found.high))
    return show(low) if show(low) == show(high) else f"{show(low)} – {show(high)}"


def _tell_left_out(left_out: Sequence[LeftOut]) -> None:
    for one in left_out:
        whisper(f"left out: {one.name}{f' on {one.task}' if one.task else ''}: {one.reason}", style="yellow")


def _tell_fallbacks(outcome: Outcome) -> None:
    """On how many questions a method could not do what it does, and why."""
    from consilience.bench.results import read_rows

    lines = [line for line in outcome.leaderboard if line.fallbacks and line.kind == "method"]
    rows = read_rows(outcome.folder) if lines else ()
    why = Counter((row.method, row.task, row.fallback) for row in rows if row.fallback)
    for line in lines:
        reasons = [f"{reason} ({n})" for (method, task, reason), n in why.items() if (method, task) == (line.method, line.task)]
        whisper(f"{line.method} fell back on {line.fallbacks} of {line.questions} questions of {line.task}: {', '.join(reasons)}",
                style="yellow")


def _tell_unanswered(outcome: Outcome) -> None:
    """What members did not answer, and why. NoAnswerError when nobody answered anything."""
    from consilience.bench.results import read_rows

    silent = [line for line in outcome.leaderboard if line.unanswered]
    if not silent:
        return
    why = {(row.method, row.task): row.error for row in read_rows(outcome.folder) if row.error}
    for line in silent:
        if line.kind == "member":
            whisper(f"{line.method} did not answer {line.unanswered} of {line.questions} questions of {line.task}: "
                    f"{why[line.method, line.task]}", style="yellow")
    if all(line.unanswered == line.questions for line in outcome.leaderboard):
        raise NoAnswerError("nobody answered any question. When that is mended, the same command with --retry-failed asks again")


def _tell_unread(outcome: Outcome) -> None:
    """Members in whose texts mostly no answer was found, with the end of one: cut off, or in another form than was asked for."""
    from consilience.bench.results import read_rows

    lines = [line for line in outcome.leaderboard if line.kind == "member" and line.unread >= MOSTLY]
    texts = {(row.method, row.task): row.text for row in read_rows(outcome.folder) if row.unread and row.text} if lines else {}
    for line in lines:
        flat = " ".join(texts.get((line.method, line.task), "").split())
        whisper(f"{line.method}: no answer was found in {round(line.unread * line.questions)} of {line.questions} texts of {line.task}; one "
                f"ends “{flat if len(flat) <= ENDING else '…' + flat[-ENDING:]}”. If texts are cut off, allow more: sampling: "
                "{max_tokens: 2048}; if answers are written otherwise, give the task another format", style="yellow")


MOSTLY = 0.5
"""Share of texts without an answer from which on it is said."""
ENDING = 80
"""Characters of such a text that are shown."""

MARKS = {"better": "▲ better", "worse": "▼ worse", "no difference shown": "no difference shown"}


def show_board(board: Sequence[Standing]) -> None:
    """The leaderboard as a table per task, with 95% intervals."""
    for task in dict.fromkeys(line.task for line in board):
        lines = [line for line in board if line.task == task]
        rows = [[f"{line.method} *" if line.memory else line.method, line.level, f"{line.score:.1%}", f"{line.ci_low:.1%} – {line.ci_high:.1%}", _delta(line),
                 MARKS.get(line.verdict, line.verdict), f"{line.unread:.1%}" if line.unread else "",
                 f"{line.calls / line.questions:.1f}", f"{line.tokens / line.questions:,.0f}", dollars(line.cost),
                 seconds(line.seconds / line.questions)] for line in lines]
        reference = next((line.reference for line in lines if line.reference), "")
        about = f"{task}: {lines[0].questions} questions" + (f"; differences are to {reference}, the best single member on dev"
                                                             if reference else "")
        show_table(["method", "level", "score", "95% interval", "difference", "verdict", "unread", "calls", "tokens", "cost",
                    "seconds"], rows, title=about, right=["score", "difference", "unread", "calls", "tokens", "cost", "seconds"],
                   spare=["level", "95% interval", "seconds", "tokens", "difference", "unread", "cost"])
        say("calls, tokens and seconds: mean per question; cost: of all questions; unread: no answer was found in the text", style="dim")
        if any(line.cost is None for line in lines):
            say("cost ?: a member has no price, or its recording holds neither costs nor tokens", style="dim")
        if any(line.verdict not in ("better", "worse") and (line.diff_low or 0.0) * (line.diff_high or 0.0) > 0 for line in lines):
            say("▲ and ▼ need more than an interval without zero: p below .05 too, adjusted for the number of methods", style="dim")
        if order := next((line.memory for line in lines if line.memory), ""):
            say(f"* with a memory of the questions before; their order (digest {order[:8]}) is part of the result", style="dim")


def _delta(line: Standing) -> str:
    if line.difference is None or line.diff_low is None or line.diff_high is None:
        return ""
    return f"{line.difference * 100:+.1f} [{line.diff_low * 100:+.1f}, {line.diff_high * 100:+.1f}]"


class Board:
    """Progress of all runs, kept for a live table."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str], Progress] = {}

    def __call__(self, progress: Progress) -> None:
        """Take up the news of one run."""
        self.runs[progress.task, progress.method] = progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """The runs at work, and how many are finished; a narrow terminal gets fewer columns, not cut numbers."""
        done = [p for p in self.runs.values() if p.stage == "done"]
        rows = [_progress(one) for one in [p for p in self.runs.values() if p.stage != "done"][-SHOWN:]]
        last = [f"{len(done)} finished", "", "", f"{sum(p.done for p in done)}", "",
                f"{sum(p.tokens for p in self.runs.values()):,}", "", ""]
        wants = {name: max(floor, *(BAR if isinstance(row[i], ProgressBar) else cell_len(str(row[i])) for row in (*rows, last)))
                 for i, (name, floor) in enumerate(COLUMNS.items())}
        shown = fitting(wants, ("task", "per second", "tokens", "bar", "cost", "left"), options.max_width)
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in shown:
            table.add_column("" if name == "bar" else name, justify="left" if name in ("method", "task") else "right",
                             no_wrap=True, min_width=None if name == "method" else wants[name])
        for row, style in (*((row, "") for row in rows), (last, "dim")):
            table.add_row(*(cell for name, cell in zip(COLUMNS, row, strict=True) if name in shown), style=style)
        yield table


def _progress(one: Progress) -> list[Any]:
    bar = ProgressBar(total=max(1, one.total), completed=one.done, width=BAR)
    return [Text(one.method), Text(one.task), "learning" if one.stage == "fit" else bar, f"{one.done}/{one.total}",
            f"{one.rate:.1f}", f"{one.tokens:,}", dollars(one.cost), seconds(one.left)]


SHOWN, BAR = 12, 20
"""Runs that the live table shows at a time, and how wide the bar of each is."""

COLUMNS = {"method": 12, "task": 4, "bar": 0, "done": 7, "per second": 10, "tokens": 9, "cost": 7, "left": 8}
"""Columns of the live table, and what each is wide at least, so that numbers that grow push nothing about."""


@contextmanager
def _display() -> Iterator[Board]:
    """A live table on stderr; silent where stderr is no terminal."""
    board, console = Board(), err()
    if not console.is_terminal:
        yield board
        return
    with Live(board, console=console, refresh_per_second=4, transient=True):
        yield board
