"""Methods are found by name and built from checked options."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from consilience.errors import ConfigError
from consilience.method import Level, Method
from consilience.registry import build, find, method, methods, options_of, register
from consilience.types import Reply, Request


def test_names_are_sorted_by_level_then_name() -> None:
    levels = [cls.level for cls in methods().values()]
    assert levels == sorted(levels, key=list(Level).index)
    assert "majority-vote" in methods()


def test_types_are_said_in_the_words_of_users() -> None:
    said = {option.name: option.type for option in options_of(methods()["majority-vote"])}
    assert (said["stop"], said["draws"]) == ("calls | time | never", "int >= 1")


def test_unknown_names_and_options_get_a_hint() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'majority-vote'"):
        method("majorty-vote")
    with pytest.raises(ConfigError, match="Did you mean 'draws'"):
        method("majority-vote", {"drawz": 3})
    with pytest.raises(ConfigError, match="option draws"):
        method("majority-vote", {"draws": "many"})
    with pytest.raises(ConfigError, match="option weights"):
        method("majority-vote", {"weights": "loud"})


def test_options_carry_their_docs() -> None:
    draws = next(o for o in options_of(methods()["majority-vote"]) if o.name == "draws")
    assert draws.default == "1" and "Samples" in draws.doc


def test_a_name_that_is_taken_is_an_error() -> None:
    @dataclass(frozen=True)
    class MajorityVote(Method):
        level: ClassVar = Level.TEXT

        async def run(self, request: Request, members) -> Reply:  # type: ignore[no-untyped-def]
            return Reply("")

    with pytest.raises(ConfigError, match="two methods are named 'majority-vote'"):
        register(MajorityVote)


def test_a_method_of_ones_own_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import dataclass\nfrom typing import ClassVar\n"
        "from consilience.method import Level, Method\n"
        "@dataclass(frozen=True)\nclass Mine(Method):\n    level: ClassVar = Level.TEXT\n    times: int = 1\n"
        "    async def run(self, request, members):\n        return await members[0].ask(request)\n")
    assert method(f"{path}:Mine", {"times": 2}).options() == {"times": 2}
    with pytest.raises(ConfigError, match="there is no 'Mien' in .*mine.py. Did you mean 'Mine'?"):
        method(f"{path}:Mien")
    with pytest.raises(ConfigError, match="is not a Method"):
        method(f"{path}:ClassVar")
    with pytest.raises(ConfigError, match="^there is no file nowhere.py"):
        method("nowhere.py:Mine")


OWN = """
{later}from dataclasses import dataclass
from typing import ClassVar, Literal
from consilience.method import Count, Level, Method, Share

@dataclass(frozen=True)
class Mine(Method):
    level: ClassVar = Level.TEXT
    games: Count = 3
    {name}: Share | None = None
    mode: Literal["a", "b"] = "a"

    async def run(self, request, members):
        return await members[0].ask(request)
"""


@pytest.mark.parametrize("later", ["from __future__ import annotations\n", ""])
def test_types_of_a_file_mean_the_same_with_and_without_put_off_annotations(tmp_path: Path, later: str) -> None:
    (tmp_path / "mine.py").write_text(OWN.format(later=later, name="trust"))
    cls = find(f"{tmp_path}/mine.py:Mine")
    assert [o.type for o in options_of(cls)] == ["int >= 1", "float, 0 to 1 | None", "a | b"]
    for wrong in ({"games": 0}, {"trust": 1.5}, {"mode": "c"}):
        with pytest.raises(ConfigError):
            build(cls, wrong)
    assert build(cls, {"games": 2, "trust": 0.5, "mode": "b"}).options() == {"games": 2, "trust": 0.5, "mode": "b"}


def test_a_method_of_a_notebook_has_no_source_but_its_types(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = ModuleType("cell")
    monkeypatch.setitem(sys.modules, "cell", cell)
    exec(compile(OWN.format(later="", name="trust"), "<cell 1>", "exec"), cell.__dict__)
    cls = find("cell:Mine")
    assert [o.type for o in options_of(cls)][0] == "int >= 1"
    with pytest.raises(ConfigError, match="games must be at least 1"):
        build(cls, {"games": 0})


@pytest.mark.parametrize(("wrong", "told"), [
    (("@dataclass(frozen=True)\n", ""), "is no dataclass: put @dataclass"),
    (("    level: ClassVar = Level.TEXT\n", ""), "mine has no level; it needs one"),
])
def test_what_a_method_of_ones_own_lacks_is_named(tmp_path: Path, wrong: tuple[str, str], told: str) -> None:
    (tmp_path / "mine.py").write_text(OWN.format(later="", name="trust").replace(*wrong))
    with pytest.raises(ConfigError, match=told):
        method(f"{tmp_path}/mine.py:Mine")


def test_files_of_one_name_in_two_folders_do_not_meet(tmp_path: Path) -> None:
    found = []
    for folder, name in (("one", "trust"), ("two", "doubt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(OWN.format(later="from __future__ import annotations\n", name=name))
        found.append(find(f"{tmp_path}/{folder}/mine.py:Mine"))
    assert [options_of(cls)[1].name for cls in found] == ["trust", "doubt"]
    assert build(found[0], {"trust": 0.5}).options()["trust"] == 0.5
