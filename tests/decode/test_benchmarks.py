"""The engine's benchmarks run, at tiny sizes; their numbers mean nothing here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "engine"


def test_both_halves_run_and_their_texts_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import fusion
    import generation
    import run
    results = generation.compare((), True, 1)
    mixed, trouble = fusion.compare((6,), 1, peer=False)
    assert not trouble
    mixed += fusion.wide(4, 16, 1, "tiny")
    assert len(results) == 6 and len(mixed) == 3
    assert all(r.ratio > 0 for r in (*results, *mixed))
    assert run.table(results).count("\n") == 7
    for name in ("fusion", "generation", "run", "nets"):
        sys.modules.pop(name, None)
