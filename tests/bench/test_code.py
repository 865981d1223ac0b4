"""The digest of the code that a team runs."""

from pathlib import Path

import pytest

from consilience.bench import code
from consilience.bench.code import code_digest
from consilience.registry import method
from consilience.team import Team
from tests.members import Scripted

OWN = '''"""A method of one's own."""
from dataclasses import dataclass
import consilience as cs
from helper import LETTER
{more}
@dataclass(frozen=True)
class Own(cs.Method):
    """{doc}"""
    name = "own-{name}"
    level = cs.Level.TEXT
    cost = "0"
    async def run(self, request, members):
        return cs.Reply(LETTER)
'''


def own(folder: Path, letter: str = "A", doc: str = "Says a letter.", more: str = "") -> Team:
    (folder / "helper.py").write_text(f"LETTER = {letter!r}  # said\n")
    (folder / "own.py").write_text(OWN.format(doc=doc, more=more, name=folder.name.replace("_", "-")))
    return Team(method(f"{folder / 'own.py'}:Own"), [Scripted("a", ["A"])])


@pytest.fixture(autouse=True)
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)


def test_what_a_method_imports_counts_and_words_about_it_do_not(tmp_path: Path) -> None:
    first = code_digest(own(tmp_path))
    assert code_digest(own(tmp_path, doc="Other words.", more="# a comment")) == first
    assert code_digest(own(tmp_path, letter="B")) != first
    assert code_digest(own(tmp_path, more="EXTRA = 1")) != first
    assert code_digest(own(tmp_path)) == first


def test_a_file_beside_it_that_is_no_python_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "dataclasses.py").write_text("print 'of another age'\n")
    first = code_digest(own(tmp_path))
    (tmp_path / "dataclasses.py").write_text("print 'of another time'\n")
    assert code_digest(own(tmp_path)) != first


def test_the_code_of_a_nested_team_counts(tmp_path: Path) -> None:
    def nested(letter: str) -> str:
        return code_digest(Team(method("majority-vote"), [own(tmp_path, letter), Scripted("b", ["B"])]))

    assert nested("A") != nested("B")


@pytest.mark.parametrize(("name", "rooms"), [
    ("majority-vote", {"voting", "compare", "gather", "method", "prompt", "reading/choice"}),
    ("llm-blender", {"compare", "learn/ranking"}),
    ("metagpt", {"learn/procedure", "sandbox/trial"}),
    ("logit-fusion", {"decode/union", "learn/mixing"}),
])
def test_the_rooms_that_a_method_stands_on_count(name: str, rooms: set[str]) -> None:
    reached = code.files(type(method(name)))
    names = {file.relative_to(code._PACKAGE).with_suffix("").as_posix() for file in reached}
    assert rooms <= names
    assert not any(room.startswith(("cli/", "bench/")) for room in names)


def test_public_names_lead_to_their_rooms(tmp_path: Path) -> None:
    team = own(tmp_path, more="def later():\n    from consilience import put\n    return cs.ask_all\n")
    names = {file.stem for file in code.files(type(team.method)) if code._PACKAGE in file.parents}
    assert {"prompt", "gather", "method", "registry", "types"} <= names


def test_a_method_typed_into_a_console_has_a_digest_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from consilience import MajorityVote

    class Typed(MajorityVote):
        """Stands in no module's file."""

    monkeypatch.setattr(Typed, "__module__", "typed_in")
    assert code_digest(Team(Typed(), [Scripted("a", ["A"])])) != code_digest(Team(MajorityVote(), [Scripted("a", ["A"])]))
