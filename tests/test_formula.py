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
