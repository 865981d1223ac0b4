"""Tree search over who speaks after whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from random import Random

import pytest

from consilience.learn.turns import Turn, judged, outstanding, search, settles, ucb
from consilience.types import Reply


def test_the_bound_is_infinite_before_the_first_visit() -> None:
    assert ucb(.5, 2, 5) == pytest.approx(1.5059, abs=1e-4)
    assert ucb(.5, 0, 5) == inf and Turn().bound == inf


@pytest.mark.parametrize(("text", "found"), [
    ("Success, 0.8", ("success", .8)), ("I would say: continue (score .25)", ("continue", .25)), ("FAIL 0", ("fail", 0.0)),
    ("fail? no: success 1.0", ("success", 1.0)), ("success 7 of 10", ("success", 0.0)), ("0.9", ("continue", 0.0)), ("", ("continue", 0.0))])
def test_verdicts_as_models_write_them(text: str, found: tuple[str, float]) -> None:
    assert judged(text) == found


def test_what_a_simulation_tells_averages_the_turns_below_in() -> None:
    root = Turn()
    left, right = Turn(0, value=.5, above=root), Turn(1, value=.1, above=root)
    root.below = [left, right]
    left.tell(success=True)
    assert left.visits == root.visits == 1 and right.visits == 0
    assert left.value == pytest.approx((.5 * 1 + .7) / 1) and root.value == pytest.approx((0 + .7 + 1.2 + .1) / (1 + 2))
    left.tell(success=False)
    assert left.value == pytest.approx((1.2 * 2 - .3) / 2) and left.visits == 2


class Stage:
    """Roles whose turns a rule judges; `asked` are the paths that spoke, by role."""

    def __init__(self, rule: Callable[[tuple[int, ...]], tuple[str, float]]) -> None:
        self.rule, self.asked, self.waves = rule, list[tuple[int, ...]](), 0

    async def act(self, after: Turn, roles: Sequence[int]) -> list[Turn]:
        self.waves += 1
        paths = [(*(turn.role for turn in after.path), role) for role in roles]
        self.asked += paths
        return [Turn(path[-1], Reply(str(path)), *self.rule(path), after) for path in paths]

    def search(self, roles: int = 3, depth: int = 5, simulations: int = 5, most: int = 100) -> tuple[int, ...]:
        end = asyncio.run(search(self.act, roles, depth, simulations, most, Random(1)))
        return tuple(turn.role for turn in end.path) if end is not None else ()


def test_a_judge_that_is_content_at_once_needs_one_expansion() -> None:
    stage = Stage(lambda path: ("success", .9 if path == (1,) else .5))
    assert stage.search() == (1,) and stage.waves == 1 and len(stage.asked) == 3


def test_the_search_finds_the_order_that_succeeds() -> None:
    stage = Stage(lambda path: ("success", 1.0) if path[:2] == (1, 0) else ("continue", .5))
    assert stage.search(roles=2, depth=3, most=200)[:2] == (1, 0)


@pytest.mark.parametrize("most", [1, 4, 7, 30])
def test_the_cap_on_acts_is_kept(most: int) -> None:
    stage = Stage(lambda path: ("continue", len(path) / 10))
    found = stage.search(most=most)
    assert len(stage.asked) <= most and found and max(map(len, stage.asked)) <= 5


def test_nobody_that_speaks_is_no_turn() -> None:
    async def silent(after: Turn, roles: Sequence[int]) -> list[Turn]:
        return []
    assert asyncio.run(search(silent, 3, 5, 5, 20, Random(0))) is None


def test_success_stands_before_a_higher_score() -> None:
    turns = [Turn(0, verdict="fail", value=1), Turn(1, verdict="continue", value=.9), Turn(2, verdict="success", value=.1)]
    assert outstanding(turns) is turns[2] and outstanding(turns[:2]) is turns[1] and outstanding([]) is None


def test_two_thirds_settle_rounded_up() -> None:
    assert settles(2, 3) and settles(2, 2) and not settles(1, 2) and not settles(2, 4) and settles(3, 4) and not settles(1, 1)
