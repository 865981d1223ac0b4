"""Tables and quantities on terminals of any width."""

from __future__ import annotations

import pytest

from consilience.cli.console import seconds, show_table

ROWS = [["a-method-with-a-long-name", "route", "95.8%", "1,234,567"], ["vote", "text", "9.8%", "12"]]


@pytest.mark.parametrize(("width", "hidden"), [(80, []), (46, ["level"]), (38, ["level", "score"])])
def test_a_narrow_terminal_leaves_columns_out_and_cuts_no_number(width: int, hidden: list[str],
                                                                 monkeypatch: pytest.MonkeyPatch,
                                                                 capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    show_table(["method", "level", "score", "tokens"], ROWS, right=["score", "tokens"], spare=["level", "score"])
    shown = capsys.readouterr().out
    assert "a-method-with-a-long-name" in shown and "1,234,567" in shown
    assert ("95.8%" in shown) == ("score" not in hidden) and ("route" in shown) == ("level" not in hidden)
    assert (f"too narrow here for: {', '.join(hidden)}" in shown) == bool(hidden)


@pytest.mark.parametrize(("amount", "said"), [(None, "?"), (0.0, "0.0 s"), (0.0004, "< 1 ms"), (0.042, "42 ms"), (0.1, "0.1 s"),
                                              (75, "1 min 15 s"), (3700, "1 h 01 min")])
def test_durations(amount: float | None, said: str) -> None:
    assert seconds(amount) == said
