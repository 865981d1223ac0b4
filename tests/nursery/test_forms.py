"""The wordings of the prompt forms."""

from __future__ import annotations

from consilience.nursery.forms import WORDINGS, render


def test_every_form_has_a_wording() -> None:
    assert list(WORDINGS) == ["answer", "steps", "choose", "judge", "critique", "refine", "fuse", "route", "check"]


def test_lists_are_rendered_item_by_item() -> None:
    assert render("choose", question="Q?", options=["x", "y"]) == "choose: Q?\nA) x\nB) y"
    assert render("refine", question="Q?", answer="x", peers=["y", "z"]) == "refine: Q?\n0. x\n1. y\n2. z"
    assert render("refine", question="Q?", answer="x", peers=[]) == "refine: Q?\n0. x"
