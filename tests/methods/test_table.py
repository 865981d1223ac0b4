"""The page of methods in docs is what the registry says."""

from __future__ import annotations

from pathlib import Path

from consilience.methods.table import page, table
from consilience.registry import methods

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m consilience.methods.table docs/methods.md"


def test_every_method_has_a_section() -> None:
    common, *sections = [line[3:] for line in page().splitlines() if line.startswith("## ")]
    assert common == "What every method takes" and sections == list(methods())


def test_cells_stay_in_their_cells() -> None:
    assert table(["a"], [["x | y\nz"]]).splitlines()[2] == r"| x \| y z |"
