"""Roles as planners write them, and which attempts a team shares."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consilience.learn.memory import Solved
from consilience.learn.olympiad import Attempt, Episodes, roles, top
from consilience.types import Reply


def test_roles_are_the_items_of_a_list() -> None:
    text = "Here they are:\n1. Algebra expert\n2) **Number theorist**: knows primes\n- Checker\n4. Algebra expert\n5. Poet"
    assert roles(text, 3) == ["Algebra expert", "Number theorist", "Checker"]
    assert roles("1. Solo", 3) == ["Solo", "", ""] and roles("", 2) == ["", ""]


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 5))
def test_the_shared_attempts_are_few_sorted_and_the_older_of_equals(right: list[bool], most: int) -> None:
    kept = top([Attempt(i, Reply(str(i)), one) for i, one in enumerate(right)], most)
    assert len(kept) == min(most, len(right))
    assert [one.agent for one in kept] == sorted(range(len(right)), key=lambda i: (not right[i], i))[:most]


def test_a_problem_does_not_see_its_own_entry() -> None:
    known = Episodes((Solved("a", "1"), Solved("b", "2")))
    assert known.others("a") == [Solved("b", "2")] and known.others("c") == list(known.solved)
