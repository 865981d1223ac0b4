"""Parts of dev."""

from __future__ import annotations

import pytest

from consilience.errors import ConfigError
from consilience.learn.trials import some
from tests.methods.questions import split


def test_some_of_dev_is_a_part_of_about_that_size() -> None:
    dev = split([(f"question {i}", "A") for i in range(10)])
    assert some(dev, 10) is dev and some(dev, 50) is dev
    few = some(dev, 4)
    assert 3 <= len(few.examples) <= 4 and {e.id for e in few.examples} <= {e.id for e in dev}
    assert [e.id for e in few.examples] == [e.id for e in some(dev, 4).examples]


def test_the_same_question_again_and_none() -> None:
    assert len(some(split([("same", "A")] * 6), 2).examples) == 6
    with pytest.raises(ConfigError, match="no dev questions"):
        some(split([]), 5)
