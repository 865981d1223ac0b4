"""A blackboard: naming actions, turns, conclusions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.board import ACTIONS, Entry, chosen, due


@pytest.mark.parametrize(("text", "found"), [
    ("I would check it.\nACTION: verify", "verify"), ("**Action:** Step", "step"), ("ACTION: step\nACTION: step", "step"),
    ("ACTION: step\nACTION: terminate", None), ("step", None), ("", None), ("ACTION: dance", None)])
def test_one_action_is_named_or_none(text: str, found: str | None) -> None:
    assert chosen(text) == found


def test_every_action_can_be_named() -> None:
    assert [chosen(f"ACTION: {name}") for name in ACTIONS] == list(ACTIONS)


@given(st.integers(1, 6), st.integers(1, 3), st.text(max_size=5))
def test_an_idle_agent_has_its_turn(agents: int, most: int, lot: str) -> None:
    asked, idle = [0] * agents, 6
    for turn in range(1, 40):
        who = due([lot], turn, asked, most, idle)
        assert len(who) == len(set(who)) == min(most, agents) and who == due([lot], turn, asked, most, idle)
        asked = [turn if i in who else last for i, last in enumerate(asked)]
        waited = sorted((turn - last for last in asked), reverse=True)
        assert waited[0] <= idle + max(0, agents - most), "the longest idle first, one a turn at least"


def test_a_single_idle_agent_acts_within_the_threshold_and_one() -> None:
    assert due(["x"], 8, [1, 7, 7], 1, 6) == [0] and due(["x"], 7, [1, 6, 6], 2, 6)[:2] != []


def test_entries_tell_action_and_round_and_quote_the_text() -> None:
    assert Entry(2, "step", "2 + 2 = 4").told == "(step, round 2)\n<<<\n2 + 2 = 4\n>>>"
