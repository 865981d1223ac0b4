"""The questions of the embedded pool as tasks."""

from __future__ import annotations

from consilience.errors import TaskError, did_you_mean
from consilience.reading import Choice, Exact, Number
from consilience.tasks.build import Options, Row, build
from consilience.tasks.task import Task
from consilience.types import AnswerFormat, Sampling

MAX_TOKENS = 192
"""Longest reply; the longest worked chain of the embedded tasks takes about half."""


def names() -> tuple[str, ...]:
    """All task names: the mixed task and its cells."""
    from consilience import nursery

    return ("nursery", *(f"nursery/{cell}" for cell in nursery.EVERY_CELL))


def load(name: str, options: Options) -> Task:
    """`nursery` (eight cells in equal shares) or one cell such as `nursery/arith`.

    `limit` takes the first questions, which are nearly balanced over the cells.
    """
    from dataclasses import replace

    from consilience import nursery

    if name not in names():
        raise TaskError(f"unknown task {name!r}.{did_you_mean(name, names())}")
    rows = [_row(problem, split) for split in ("dev", "test")
            for problem in nursery.examples(name, split, options.limit)]
    sampling = options.sampling or Sampling(max_tokens=MAX_TOKENS)
    return build(name, rows, replace(options, sampling=sampling, limit=None), "embedded")


def _row(problem: object, split: str) -> Row:
    from consilience.nursery import Problem

    assert isinstance(problem, Problem)
    format: AnswerFormat
    if problem.kind == "number":
        format = Number()
    elif problem.kind == "choice":
        format = Choice(len(problem.options), problem.options)
    else:
        format = Exact(problem.values if problem.reference in problem.values else ())
    return Row(problem.id, problem.question, (problem.reference,), format, problem.options, split, problem.form,
               skill=problem.cell, solution=problem.solution, where=problem.id)
