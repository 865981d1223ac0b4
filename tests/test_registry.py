"""Methods are found by name and built from checked options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from consilience.errors import ConfigError
from consilience.method import Level, Method
from consilience.registry import method, methods, options_of, register
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
    with pytest.raises(ConfigError, match="cannot be loaded"):
        method(f"{path}:Other")
    with pytest.raises(ConfigError, match="there is no file"):
        method("nowhere.py:Mine")
