"""The shipped pool is what a finished run leaves, described."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

from consilience import nursery  # noqa: E402 (needs torch)
from consilience.nursery import cards  # noqa: E402


def test_a_pool_that_is_shipped_again_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards, groups and hashes of the package are those that its own weights give."""
    known = json.loads((nursery.FOLDER / "pool.json").read_text())
    kept = [member for member in known["members"] if member["name"] in ("garden", "base", "adapter_harbor", "verifier")]
    for member in kept:
        shutil.copytree(nursery.WEIGHTS / member["name"], tmp_path / "run" / member["name"])
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    monkeypatch.setattr(cards, "WEIGHTS", tmp_path / "weights")
    (tmp_path / "weights" / "stale").mkdir(parents=True)
    cards.ship(tmp_path / "run", known["seed"], {member["name"]: member["scores"] for member in known["members"]})
    made = json.loads((tmp_path / "pool.json").read_text())
    assert made["members"] == kept and made["wordings"] == known["wordings"]
    assert {name: members for name, members in made["groups"].items() if members} == {
        "main": ["garden"], "base": ["base"], "adapters": ["adapter_harbor"], "verifier": ["verifier"]}
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == sorted(member["name"] for member in kept)


def test_every_group_names_members_that_there_are() -> None:
    names = [entry.name for entry in cards.entries()]
    assert len(set(names)) == len(names) and sorted(names) == sorted(name for group in cards.GROUPS.values() for name in group)
