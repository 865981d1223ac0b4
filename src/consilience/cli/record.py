"""`consilience record`: a model's answers to a task, written down for replay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from consilience.cli.ask import find, worn
from consilience.cli.console import err, say
from consilience.cli.waiting import finish


def record(
    model: Annotated[str, typer.Argument(help="A model, a team.yaml or a saved team.")],
    task: Annotated[str, typer.Option(help="The task whose questions are asked.")],
    out: Annotated[Path | None, typer.Option(help="A .jsonl file; it is continued. [default: TASK-MODEL.jsonl]")] = None,
    split: Annotated[Literal["test", "dev", "both"], typer.Option(help="Which questions.")] = "both",
    draws: Annotated[int, typer.Option(help="Samples per question.", min=1)] = 1,
    limit: Annotated[int | None, typer.Option(help="At most so many questions of each split.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the questions.")] = 0,
    store: Annotated[Path | None, typer.Option(help="Keep every draw in this file as well.")] = None,
) -> None:
    """Write a model's answers in the recorded format; `recorded:FILE#MODEL` replays them at no cost.

    \b
    Examples:
      consilience record openai:gpt-4o-mini --task nursery/arith --limit 100 --out answers.jsonl
      consilience record nursery/generalist --task nursery --split test
      consilience pool recorded:answers.jsonl
    """
    from consilience.models.recorded import record as write
    from consilience.tasks import task as load_task

    found = load_task(task, limit=limit, seed=seed)
    parts = {"dev": [found.dev], "test": [found.test], "both": [found.dev, found.test]}[split]
    examples = [example for part in parts for example in part]
    with worn(find(model), store) as asked:
        name = re.sub(r"[^\w.-]+", "-", f"{found.name}-{asked.card.name}")
        path = out or Path(f"{name}.jsonl")
        with err().status(f"asking {escape(asked.card.name)} {len(examples)} questions"):
            written = finish(write(asked, examples, path, draws=draws))
    say(f"{path}: {written} new answers of {asked.card.name}. Replay them with recorded:{path}#{asked.card.name}")
