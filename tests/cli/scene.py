"""What the tests of the command line play with: recorded answers of three models to sums, written down by the test."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from consilience.cli.app import app

QUESTIONS = 40
RIGHT = {"ann": lambda i: i % 10 < 8, "bob": lambda i: i % 3 > 0, "cid": lambda i: i % 2 == 0}
"""Which sums each of the models gets right."""


def call(*arguments: object) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})


def recording(folder: Path) -> Path:
    """A file of recorded answers."""
    path = folder / "sums.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(QUESTIONS):
            for name, right in RIGHT.items():
                said = 2 * i + 1 if right(i) else 2 * i
                file.write(json.dumps({"dataset": "sums", "id": str(i), "model": name, "prompt": f"What is {i} + {i + 1}?",
                                       "reference": str(2 * i + 1), "response": f"The answer is {said}.",
                                       "answer": str(said), "score": float(right(i)), "cost_usd": 0.001,
                                       "prompt_tokens": 7, "completion_tokens": 5, "duration_ms": 100}) + "\n")
    return path


def experiment(folder: Path, methods: str = "[majority-vote, knn-router]") -> Path:
    """An experiment over the recording."""
    recording(folder)
    path = folder / "sums.yaml"
    path.write_text(f"pool: ['recorded:./sums.jsonl']\ntasks: ['recorded:./sums.jsonl']\nmethods: {methods}\n")
    return path
