"""Hints of error messages."""

from __future__ import annotations

import pytest

from consilience.errors import did_you_mean

NAMES = ("dare", "llm-blender", "majority-vote", "medoid-vote", "mexa", "mixture-of-agents", "multiagent-debate", "max_concurrency")


@pytest.mark.parametrize(("word", "hint"), [
    ("majorty-vote", " Did you mean 'majority-vote'?"),
    ("debate", " Did you mean 'multiagent-debate'?"),
    ("Blender", " Did you mean 'llm-blender'?"),
    ("moa", " Did you mean 'mixture-of-agents'?"),
    ("concurrency", " Did you mean 'max_concurrency'?"),
    ("vote", " Did you mean 'majority-vote' or 'medoid-vote'?"),
    ("zzz", f" Known: {', '.join(sorted(NAMES))}."),
])
def test_what_was_meant(word: str, hint: str) -> None:
    assert did_you_mean(word, NAMES) == hint


def test_nothing_is_known() -> None:
    assert did_you_mean("a", ()) == ""
