"""Readings that nobody here wrote: published scores and letters of recorded replies."""

import importlib.util
import os
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CONSILIENCE_DATA") or ROOT.parent / "shared" / "data") / "recorded"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded replies in {DATA}; set CONSILIENCE_DATA")


def agreement() -> ModuleType:
    spec = importlib.util.spec_from_file_location("agreement", ROOT / "benchmarks" / "readings" / "agreement.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["agreement"] = module
    spec.loader.exec_module(module)
    return module


def test_gsm8k_scores_agree_with_the_published_ones() -> None:
    found = agreement().gsm8k(DATA)
    apart = [c for c in found if c.reason]
    assert len(found) == 13_860
    assert 1 - len(apart) / len(found) >= 0.998
    assert all(c.reason != "another number was taken" for c in apart), apart


def test_mmlu_pro_letters_agree_with_the_published_ones() -> None:
    found = agreement().mmlu_pro(DATA)
    committed = [c for c in found if c.commits]
    assert len(committed) > 30_000
    assert sum(not c.reason for c in committed) / len(committed) >= 0.997
    words = [c for c in found if c.reason.startswith("the source reads the word")]
    assert words and all(c.ours == "-" for c in words if c.theirs == "I")


def test_values_of_programs_are_told_apart_to_the_last_space() -> None:
    found = agreement().cruxeval(DATA)
    assert len(found) == 10_400 and sum(not c.reason for c in found) / len(found) >= 0.983
    wrong = [c for c in found if c.reason and not c.reason.startswith("the same value")]
    assert len(wrong) / len(found) <= 0.005, Counter(c.reason for c in wrong)


def test_the_page_lists_every_disagreement() -> None:
    module = agreement()
    page = (ROOT / "docs" / "readings.md").read_text()
    for title, found in (("GSM8K", module.gsm8k(DATA)), ("MMLU-Pro", module.mmlu_pro(DATA)), ("CRUXEval", module.cruxeval(DATA))):
        assert all(f"{c.id} " in page and c.reason in page for c in found if c.reason), title
