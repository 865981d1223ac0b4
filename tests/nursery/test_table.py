"""The table of measurements belongs to the members that are shipped."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from consilience import nursery

HOME = Path(__file__).parents[2] / "benchmarks" / "nursery"
CARDS = nursery.pool_cards()


@pytest.fixture(scope="module")
def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nursery_table", HOME / "table.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HOME / f"seed{CARDS['seed']}.json").read_text())
    return found


def test_the_shipped_members_were_measured(shipped: dict[str, Any]) -> None:
    assert {card["name"]: next(iter(card["sha256"].values())) for card in CARDS["members"]} == shipped["weights"]
    assert {card["name"]: card["scores"] for card in CARDS["members"] if card["scores"]} == shipped["scores"]


def test_the_page_is_written_from_the_measurements(table: ModuleType, shipped: dict[str, Any]) -> None:
    seeds = table.read()
    assert seeds[f"seed{CARDS['seed']}"] == shipped
    assert table.DOCS.read_text().partition(table.MARK)[2].strip() == table.page(seeds).strip()
    kept = json.loads((HOME / "results.json").read_text())
    assert kept == json.loads(json.dumps(table.requirements_met(seeds)))


@pytest.mark.parametrize("wanted", [
    "oracle at least 25 above the best single member", "router fitted on dev at least 15 above", "most confident member above",
    "confidence-weighted logits above", "vote of 9 above one sample, best skill", "merge above the better parent, pair chosen on dev",
    "strong at least 15 above weak", "pairs: one round of refining above the best single member",
    "owner's likelihood, AUC at least .75", "specialists judge sampled answers, at least 70%"])
def test_what_the_pool_is_for_holds_for_every_training_seed(table: ModuleType, wanted: str) -> None:
    met = table.requirements_met(table.read())[wanted]
    assert len(met) == 3 and all(good for _, good in met.values()), met
