"""The embedded pool: tiny language models with skills and private knowledge of their own, and questions for them.

Nothing here loads torch: `examples` generates questions, `pool_cards` describes the members, `weights` finds them.
The recipe that trains the members is `python -m consilience.nursery.recipe`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from consilience.nursery.tasks import CELLS, EVERY_CELL, SPLITS, Problem, problems

FOLDER = Path(__file__).parent
WEIGHTS = FOLDER / "weights"


def examples(task: str = "nursery", split: str = "dev", limit: int | None = None, seed: int = 0) -> list[Problem]:
    """Questions of `nursery` (the mixed task: eight cells in equal shares), or of one cell such as `nursery/arith`.

    The cells are `arith`, `letters`, `logic`, `clock`, `facts/<owner>` for four owners, and `pairs`, which is not in
    the mixed task. `limit` counts all questions; by default there are 200 of each cell on dev and 400 elsewhere.
    Questions of the mixed task come one cell after the other in turn, so any prefix is nearly balanced.
    """
    cells = CELLS if task == "nursery" else (task.removeprefix("nursery/"),)
    each = (200 if split == "dev" else 400) if limit is None else -(-limit // len(cells))
    rows = [problems(cell, split, each, seed) for cell in cells]
    mixed = [row[place] for place in range(each) for row in rows if place < len(row)]
    return mixed if limit is None else mixed[:limit]


def pool_cards() -> dict[str, Any]:
    """The contents of `pool.json`: the members, their groups, prices, wordings and scores."""
    return json.loads((FOLDER / "pool.json").read_text())


__all__ = ["CELLS", "EVERY_CELL", "FOLDER", "Problem", "SPLITS", "WEIGHTS", "examples", "pool_cards", "problems"]
