"""The embedded questions as tasks."""

import asyncio
from collections import Counter

import pytest

from consilience.errors import TaskError
from consilience.nursery import CELLS, EVERY_CELL
from consilience.tasks import task
from consilience.tasks.embedded import names
from consilience.tasks.task import content


def test_the_mixed_task_has_equal_shares() -> None:
    made = task("nursery")
    assert set(Counter(e.skill for e in made.test).values()) == {400} and set(made.skills) == set(CELLS)
    assert not {content(e) for e in made.dev} & {content(e) for e in made.test} and not made.dropped
    assert Counter(e.skill for e in task("nursery", limit=16).test) == Counter({cell: 2 for cell in CELLS})


@pytest.mark.parametrize("cell", EVERY_CELL)
def test_references_and_worked_chains_score_one(cell: str) -> None:
    made = task(f"nursery/{cell}", limit=60)
    for example in made.test:
        format = example.request.format
        assert format is not None
        for reply in (example.references[0], example.solution, f"The answer is {example.references[0]}."):
            assert asyncio.run(format.score(format.read(reply), example.references)) == 1.0, (reply, format.read(reply))
        for reply in ("", "I do not know.", example.question):
            assert asyncio.run(format.score(format.read(reply), example.references)) == 0.0, (reply, format.read(reply))


def test_names() -> None:
    assert names()[0] == "nursery" and f"nursery/{CELLS[0]}" in names()
    with pytest.raises(TaskError, match="unknown task 'nursery/arit'.* Did you mean 'nursery/arith'"):
        task("nursery/arit")


def test_two_loads_are_equal() -> None:
    assert task("nursery/clock", limit=20).digest() == task("nursery/clock", limit=20).digest()
