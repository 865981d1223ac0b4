"""`consilience fit`: learn once from a task's dev split, and save the team."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from consilience.cli.console import err, say, say_json
from consilience.cli.waiting import finish
from consilience.errors import ConfigError
from consilience.learn.goals import Aimed
from consilience.method import COMMON, Method
from consilience.team import Team


def fit(
    team: Annotated[Path, typer.Argument(help="A team.yaml, or the folder of a saved team to fit anew.")],
    task: Annotated[str, typer.Option(help="What to learn from: the dev split of this task.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the fitted team. [default: TEAM-fitted]")] = None,
    limit: Annotated[int, typer.Option(help="Use at most so many dev questions.", min=1)] = 200,
    store: Annotated[Path, typer.Option(help="Draws are kept here, so that nothing is paid for twice.")] = Path("runs/store.db"),
    seed: Annotated[int, typer.Option(help="Seed of the questions.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Fit a team on a task's dev questions and save it; `ask` and `bench` take the folder.

    \b
    Examples:
      consilience fit examples/teams/router.yaml --task nursery --out runs/router
      consilience ask runs/router "What is 17 + 25?"
    """
    from consilience import saved
    from consilience.tasks import task as load_task

    bound = saved.load(team, changed=True)
    dev = load_task(task, limit=limit, seed=seed).dev
    folder = out or team.parent / f"{_stem(team)}-fitted"
    if folder.exists() and any(folder.iterdir()) and not (folder / "team.yaml").exists():
        raise ConfigError(f"{folder} holds something else than a team; name another folder with --out")
    with err().status(f"learning from {len(dev)} questions of {escape(task)}"):
        fitted = fit_team(bound, dev, store)
    saved.save(fitted, folder)
    standing = dict(zip((m.card.name for m in fitted.members), fitted.standing or (), strict=False))
    learned = dict(fitted.method.learned.values) if fitted.method.learned is not None else None
    expected = learned.get("expected") if learned is not None and isinstance(fitted.method, Aimed) else None
    if json:
        say_json({"folder": str(folder), "questions": len(dev), "standing": standing, "target": _target(fitted.method),
                  "expected": expected, "learned": learned})
        return
    say("mean score of each member on the dev questions:")
    for name, score in sorted(standing.items(), key=lambda pair: -pair[1]):
        say(f"{score:8.1%}  {name}")
    for line in told(expected, _target(fitted.method)) if expected else ():
        say(line)
    say(f"saved: {folder}", style="bold")


def told(expected: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[str]:
    """What a fitted method is expected to do, in words."""
    gain, low, high = expected["gain"]
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "no clear difference to"
    yield f"what to expect of the team on questions like the {expected['questions']} of dev, with 95% intervals:"
    yield f"  score    {_shares(expected['quality'])}; the best member alone: {_shares(expected['best_single'])}"
    yield f"  gain     {100 * gain:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]: {verdict} the best member alone"
    yield f"  cost     {_money(expected)}"
    late = expected["latency"]
    yield f"  time     {f'at most {late:.3g} s in 95 of 100 questions' if late else 'unknown: the answers carry none'}"
    if shares := {name: share for name, share in expected.get("shares", {}).items() if share}:
        yield f"  asked    {', '.join(f'{name} {share:.0%}' for name, share in sorted(shares.items(), key=lambda p: -p[1]))}"
    asked = ", ".join(f"{name}: {value}" for name, value in target.items())
    yield f"  target   {asked or 'none: the highest score, whatever it costs (max_cost_per_1k, min_quality, max_latency, tradeoff)'}"


def _target(method: Method) -> dict[str, Any]:
    """What the user wanted, by option."""
    names = (f.name for f in fields(Aimed) if f.name not in ("learned", *COMMON))
    return {name: value for name in names if isinstance(method, Aimed) and (value := getattr(method, name)) is not None}


def _shares(interval: Sequence[float]) -> str:
    mean, low, high = interval
    return f"{mean:.1%} [{low:.1%}, {high:.1%}]"


def _money(expected: Mapping[str, Any]) -> str:
    if expected["cost_per_1k"] is None:
        return "unknown: not all members have a price"
    mean, low, high = expected["cost_per_1k"]
    alone = expected.get("best_cost_per_1k")
    rest = f"; the best member alone: ${alone:.4g}" if alone is not None else ""
    return f"${mean:.4g} [{low:.4g}, {high:.4g}] per 1,000 questions{rest}"


def _stem(team: Path) -> str:
    return team.name if team.is_dir() else team.parent.name if team.name == "team.yaml" else team.stem


def fit_team(team: Team, dev: object, store: Path) -> Team:
    """A fitted copy of `team` over bare members; what the members were asked is kept in the store."""
    from consilience.bench.fits import dump, restore
    from consilience.bench.lineup import wear_inside
    from consilience.models.wrappers.metered import Meter
    from consilience.store import Store

    store.parent.mkdir(parents=True, exist_ok=True)
    with Store(store) as opened:
        found = dump(finish(wear_inside(team, opened, Meter()).fit(dev)))  # type: ignore[arg-type]
    return restore(team, found)
