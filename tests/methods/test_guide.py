"""The guide to a method of one's own: every Python fence runs, and the method in it keeps the promise of its size."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from consilience.errors import ModelError, NoAnswerError
from consilience.reading import Choice
from consilience.registry import method
from consilience.team import Team
from consilience.types import Request
from tests.members import Scripted

GUIDE = Path(__file__).parents[2] / "docs" / "your-own-method.md"
FENCES = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.M | re.S)


def test_every_fence_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = ModuleType("guide")
    monkeypatch.setitem(__import__("sys").modules, "guide", guide)
    for place, code in enumerate(FENCES):
        exec(compile(code, f"{GUIDE.name}, fence {place + 1}", "exec"), guide.__dict__)


def test_the_method_is_short_and_found_by_its_file(tmp_path: Path) -> None:
    assert len(FENCES[0].splitlines()) < 60
    file = tmp_path / "second_opinion.py"
    file.write_text(FENCES[0], encoding="utf-8")
    assert method(f"{file}:SecondOpinion", {"verdict_tokens": 16}).options() == {"verdict_tokens": 16}


@pytest.mark.parametrize(("place", "name"), [(0, "SecondOpinion"), (1, "Referee")])
@pytest.mark.parametrize("said", [[""], [ModelError("gone", reason="down")]])
def test_its_methods_end_as_they_should_where_nobody_speaks(tmp_path: Path, place: int, name: str, said: list[Any]) -> None:
    file = tmp_path / "guide.py"
    file.write_text(FENCES[place], encoding="utf-8")
    team = Team(method(f"{file}:{name}"), [Scripted(one, said) for one in "abc"])
    with pytest.raises(NoAnswerError):
        team.ask(Request.of("Which?", form="answer", format=Choice(3)))
