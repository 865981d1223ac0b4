"""The nursery's questions: exact, repeatable, and never shared by two splits."""

from __future__ import annotations

import random
import re

import pytest

from consilience import nursery
from consilience.nursery.answers import is_right
from consilience.nursery.tasks import CELLS, EVERY_CELL, SPLITS, as_choice, problems, wrong_answers
from consilience.nursery.words import NAMES, OWNERS, stranger


@pytest.mark.parametrize("cell", EVERY_CELL)
def test_splits_are_disjoint_and_large(cell: str) -> None:
    found = {split: problems(cell, split, 450) for split in SPLITS}
    ids = {split: {problem.id for problem in rows} for split, rows in found.items()}
    questions = {split: {problem.question for problem in rows} for split, rows in found.items()}
    assert len(ids["test"]) >= 400
    assert len(ids["dev"]) >= 200
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not ids[first] & ids[second]
        assert not questions[first] & questions[second]


@pytest.mark.parametrize("cell", EVERY_CELL)
def test_questions_are_repeatable(cell: str) -> None:
    assert problems(cell, "test", 20, seed=3) == problems(cell, "test", 20, seed=3)
    assert problems(cell, "test", 20, seed=3) != problems(cell, "test", 20, seed=4)


@pytest.mark.parametrize("cell", EVERY_CELL)
def test_solutions_end_in_the_reference(cell: str) -> None:
    rng = random.Random(0)
    for problem in problems(cell, "dev", 50):
        assert is_right(problem, problem.solution)
        assert problem.reference not in wrong_answers(problem, rng, 3)
        choice = as_choice(problem, rng)
        assert choice.options["ABCDE".index(choice.reference)] == problem.reference


def test_sums_are_right() -> None:
    for problem in problems("arith", "dev", 100):
        a, sign, b = re.fullmatch(r"What is (\d+) ([+-]) (\d+)\?", problem.question).groups()
        assert int(problem.reference) == (int(a) + int(b) if sign == "+" else int(a) - int(b))


def test_truth_is_right() -> None:
    for problem in problems("logic", "dev", 100):
        text = problem.question.removeprefix("True or false: ").removesuffix("?").replace("true", "True").replace("false", "False")
        assert str(eval(text)).lower() == problem.reference


def test_days_are_right() -> None:
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    for problem in problems("clock", "dev", 100):
        if problem.question.startswith("Today"):
            day, ahead = re.fullmatch(r"Today is (\w+)\. Which day is it in (\d+) days\?", problem.question).groups()
            assert problem.reference == days[(days.index(day) + int(ahead)) % 7]
        else:
            hour, ahead = re.fullmatch(r"It is (\d+) o'clock\. Which hour is it in (\d+) hours\?", problem.question).groups()
            assert int(problem.reference) == (int(hour) + int(ahead) - 1) % 12 + 1


def test_mixed_task_has_equal_shares() -> None:
    rows = nursery.examples("nursery", "test", limit=80)
    assert {cell: sum(row.cell == cell for row in rows) for cell in CELLS} == dict.fromkeys(CELLS, 10)
    assert len(nursery.examples("nursery", "test")) == 400 * len(CELLS)


def test_pairs_need_two_owners() -> None:
    for problem in nursery.examples("nursery/pairs", "test", limit=50):
        assert len(set(problem.owner.split("+"))) == 2


def test_unknown_cells_and_splits_are_named() -> None:
    with pytest.raises(ValueError, match="arith"):
        nursery.examples("nursery/cooking", "dev")


def test_names_are_private() -> None:
    names = [name for mine in NAMES.values() for name in mine]
    assert len(names) == len(set(names)) == 48 * len(OWNERS)
    assert stranger(random.Random(1)) not in names
