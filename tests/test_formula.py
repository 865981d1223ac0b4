"""Cost formulas: arithmetic over members and options, and nothing else."""

from __future__ import annotations

from typing import ClassVar

import pytest

from consilience.errors import ConfigError
from consilience.formula import most_calls
from consilience.methods.text.majority_vote import MajorityVote
from consilience.registry import methods


def test_formulas_are_arithmetic_over_members_and_options() -> None:
    assert most_calls(MajorityVote(draws=3), 4) == 12

    class Odd(MajorityVote):
        cost: ClassVar = "(N - 1)*(1 + (weights == 'equal')) + min(draws, 2) - (N > 9)"

    assert most_calls(Odd(draws=5), 3) == 6.0

    class Bad(MajorityVote):
        cost: ClassVar = "__import__('os')"

    with pytest.raises(ConfigError, match="cannot be computed"):
        most_calls(Bad(), 3)


def test_every_registered_method_states_a_formula_that_can_be_computed() -> None:
    for name, cls in methods().items():
        assert most_calls(cls(), 3), name


@pytest.mark.parametrize(("formula", "calls"), [
    ("", None), ("-N + 2*draws", 7.0), ("N if draws > 4 and N != 1 else 0", 3.0), ("N if draws < 4 or not N else 2", 2.0),
    ("max(len(weights), N // 2) % 4", 1.0), ("2**N / 4", 2.0),
])
def test_what_formulas_may_say(formula: str, calls: float | None) -> None:
    class Other(MajorityVote):
        cost: ClassVar = formula

    assert most_calls(Other(draws=5), 3) == calls


@pytest.mark.parametrize("formula", ["N +", "M", "N / 0", "N.bit_length()", "[N]", "2**5000", "open('x')", "1 < N < 3", "min()", "'a' * N"])
def test_what_is_no_arithmetic_is_named(formula: str) -> None:
    class Bad(MajorityVote):
        cost: ClassVar = formula

    with pytest.raises(ConfigError, match="bad: the cost formula .* cannot be computed"):
        most_calls(Bad(), 3)
