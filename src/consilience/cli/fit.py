"""`consilience fit`: learn once from a task's dev split, and save the team."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from consilience.cli.console import err, say, say_json
from consilience.errors import ConfigError, TaskError
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
    if not dev:
        raise TaskError(f"task {task} has no dev questions to learn from")
    folder = out or team.parent / f"{_stem(team)}-fitted"
    if folder.exists() and any(folder.iterdir()) and not (folder / "team.yaml").exists():
        raise ConfigError(f"{folder} holds something else than a team; name another folder with --out")
    with err().status(f"learning from {len(dev)} questions of {task}"):
        fitted = fit_team(bound, dev, store)
    saved.save(fitted, folder)
    standing = dict(zip((m.card.name for m in fitted.members), fitted.standing or (), strict=False))
    if json:
        say_json({"folder": str(folder), "questions": len(dev), "standing": standing,
                  "learned": dict(fitted.method.learned.values) if fitted.method.learned is not None else None})
        return
    for name, score in sorted(standing.items(), key=lambda pair: -pair[1]):
        say(f"{score:6.1%}  {name}")
    say(f"saved: {folder}", style="bold")


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
        found = dump(asyncio.run(wear_inside(team, opened, Meter()).fit(dev)))  # type: ignore[arg-type]
    return restore(team, found)
