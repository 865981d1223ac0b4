"""Teams on disk come back as they were, and say what differs when they are not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience import saved
from consilience.errors import ConfigError, TeamError
from consilience.gather import Members
from consilience.method import Learned, Level, Method
from consilience.methods.text.majority_vote import MajorityVote
from consilience.model import Card, Model, Price
from consilience.reading import Choice
from consilience.team import Team
from consilience.types import Reply, Request
from tests.members import Scripted

QUESTION = Request.of("Which?", form="answer", format=Choice(3))


class Named(Scripted):
    """A scripted member with a spec to make it from again."""

    @property
    def card(self) -> Card:
        return replace(super().card, spec=f"script:{self.name}")


@dataclass(frozen=True)
class Leaning(Method):
    """Picks the member that it learned; defined in a file, not registered."""

    level: ClassVar = Level.ROUTE
    must_fit: ClassVar = True

    lean: float = 0.5

    async def run(self, request: Request, members: Members) -> Reply:
        return await members[int(self.found().values["pick"])].ask(request)


def resolve(spec: str) -> Sequence[Model]:
    if spec == "all":
        return [Named("a", ["A"]), Named("b", ["B"])]
    return [Named(spec.removeprefix("script:"), [spec[-1].upper()])]


def fitted(**options: float) -> Team:
    method = Leaning(**options).with_learned({"pick": 1}, weights=np.arange(6, dtype=np.float32).reshape(2, 3))
    inner = Team(MajorityVote(draws=2), [Named("b", ["B"]), Named("c", ["B"])], name="inner", standing=[0.5, 0.25])
    return Team(method, [Named("a", ["A"]), inner], name="lean")


def test_a_fitted_nested_team_comes_back(tmp_path: Path) -> None:
    team = fitted(lean=0.25)
    back = saved.load(saved.save(team, tmp_path / "team"), resolve)
    assert back.card.fingerprint == team.card.fingerprint
    assert back.name == "lean" and isinstance(back.members[1], Team) and back.members[1].standing == (0.5, 0.25)
    [reply] = asyncio.run(back.generate(QUESTION))
    assert reply.reading == "B"
    assert not list(tmp_path.rglob("*.pkl")) and (tmp_path / "team" / "learned.safetensors").exists()


def test_a_team_written_by_hand_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "team.yaml"
    file.write_text("method: majority-vote\noptions: {draws: 3}\nmembers: [all, {method: majority-vote, members: all}]\n")
    team = saved.load(file, resolve)
    assert [m.card.name for m in team.members] == ["a", "b", "majority-vote"] and team.method == MajorityVote(draws=3)
    file.write_text("majority-vote: {draws: 3, as: three, members: [all, {majority-vote: {members: all}}]}\n")
    short = saved.load(file, resolve)
    assert short.name == "three" and short.method == team.method and len(short.members) == 3
    assert saved.from_dict({"method": "majority-vote", "members": ["all"]}, resolve).card.name == "majority-vote"


def test_a_member_with_options_reaches_the_resolver_as_json(tmp_path: Path) -> None:
    asked: list[str] = []

    def listen(spec: str) -> Sequence[Model]:
        asked.append(spec)
        return [Named("a", ["A"])]

    saved.from_dict({"method": "majority-vote", "members": [{"model": "openai:x", "name": "a"}]}, listen)
    assert asked == ['{"model": "openai:x", "name": "a"}']


def edited(folder: Path, **changes: object) -> None:
    file = folder / "team.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes))


def test_what_differs_is_named(tmp_path: Path) -> None:
    folder = saved.save(fitted(), tmp_path)

    def dearer(spec: str) -> Sequence[Model]:
        [model] = resolve(spec)
        assert isinstance(model, Named)
        model.price = Price(5.0, 9.0)
        return [model]

    with pytest.raises(ConfigError, match=r"a cost \[1.0, 2.0\] and now costs \[5.0, 9.0\]"):
        saved.load(folder, dearer)
    assert saved.load(folder, dearer, changed=True).name == "lean"
    with pytest.raises(ConfigError, match="a had the fingerprint scripted-a and now has scripted-z"):
        saved.load(folder, lambda spec: resolve(spec.replace("script:a", "script:z")))
    edited(folder, options={"lean": 0.75})
    with pytest.raises(ConfigError, match="fitted with lean = 0.5 and now has lean = 0.75"):
        saved.load(folder, resolve)


def test_learned_files_are_checked(tmp_path: Path) -> None:
    folder = saved.save(fitted(), tmp_path)
    (folder / "learned.json").write_text('{"pick": 0}')
    with pytest.raises(ConfigError, match="what it learned has changed"):
        saved.load(folder, resolve)
    (folder / "learned.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ConfigError, match="cannot be read"):
        saved.load(folder, resolve)
    (folder / "learned.json").unlink()
    with pytest.raises(ConfigError, match="learned.json is missing"):
        saved.load(folder, resolve)


@pytest.mark.parametrize(("content", "lack"), [("{}", r"lacks 'pick' \(it has nothing\)"), ('{"pikc": 1}', r"it has 'pikc'")])
def test_what_a_changed_team_lacks_is_named(tmp_path: Path, content: str, lack: str) -> None:
    folder = saved.save(fitted(), tmp_path)
    (folder / "learned.json").write_text(content)
    team = saved.load(folder, resolve, changed=True)
    with pytest.raises(ConfigError, match=lack):
        asyncio.run(team.generate(QUESTION))


@pytest.mark.parametrize("content", [b"[1, 2]", b"\xff\xfe", b"{", b"[" * 100_000])
def test_learned_files_that_hold_something_else_are_refused(tmp_path: Path, content: bytes) -> None:
    folder = saved.save(fitted(), tmp_path)
    (folder / "learned.json").write_bytes(content)
    with pytest.raises(ConfigError, match="learned"):
        saved.load(folder, resolve, changed=True)


def test_environment_variables_fill_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/here")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert saved.filled({"a": ["${WHERE}/x", "${NOWHERE:-there}/y", 3], "b": "$WHERE {z}"}) == {
        "a": ["/here/x", "there/y", 3], "b": "$WHERE {z}"}
    with pytest.raises(ConfigError, match="NOWHERE is not set"):
        saved.filled("${NOWHERE}")


@pytest.mark.parametrize(("text", "message"), [
    ("", "must hold `method:`"),
    ("method: [", "not YAML"),
    ("method: majority-vote\nmembres: all\n", "unknown key 'membres'. Did you mean 'members'"),
    ("method: majority-vote\n", "members: Field required"),
    ("method: majorty-vote\nmembers: all\n", "Did you mean 'majority-vote'"),
    ("method: majority-vote\nmembers: all\noptions: {drows: 2}\n", "Did you mean 'draws'"),
    ("method: majority-vote\nmembers: [{name: x}]\n", "a member needs `spec` or `team`"),
    ("method: majority-vote\nmembers: all\nformat: 99\n", "format 99"),
    ("method: reconcile\nmembers: all\noptions: {prompts: {discuss: {text: hm, itme: x}}}\n", "Unexpected keyword argument"),
])
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "team.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")):
        saved.load(tmp_path, resolve)


def test_a_member_without_a_spec_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'a' cannot be saved"):
        saved.save(Team(MajorityVote(), [Scripted("a", ["A"])]), tmp_path)


def test_what_json_would_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not survive"):
        saved.write_learned(Learned({"by member": {10: 1.0, 9: 2.0}}), tmp_path)


@settings(max_examples=30)
@given(values=st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text()
                                                      | st.floats(allow_nan=False, allow_infinity=False),
                                                      lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))),
       numbers=st.lists(st.floats(width=32, allow_nan=False)))
def test_learned_survives_any_json(tmp_path_factory: pytest.TempPathFactory, values: dict[str, object],
                                   numbers: list[float]) -> None:
    folder = tmp_path_factory.mktemp("learned")
    learned = Learned(values, {"numbers": np.array(numbers, dtype=np.float32)})
    saved.write_learned(learned, folder)
    back = saved.read_learned(folder)
    assert back is not None and back.digest == learned.digest


@pytest.mark.parametrize("role", ["name", "memory", "members", "self"])
def test_a_role_with_the_name_of_something_else_is_no_role(tmp_path: Path, role: str) -> None:
    (tmp_path / "team.yaml").write_text(f"method: multiagent-refine\nmembers: all\nroles: {{{role}: a}}\n")
    with pytest.raises(TeamError, match=f"multiagent-refine has no role '{role}'.*summariser"):
        saved.load(tmp_path, resolve)


def test_a_number_without_end_is_saved_as_one(tmp_path: Path) -> None:
    team = Team(MajorityVote(timeout=float("inf")), [*resolve("a"), *resolve("b")])
    assert saved.load(saved.save(team, tmp_path), resolve).card.fingerprint == team.card.fingerprint


def test_what_is_no_team_or_of_no_file_cannot_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="a is not a team, so there is nothing to save; its spec is 'script:a'"):
        saved.save(Named("a", ["A"]), tmp_path / "x")
    space: dict[str, object] = {"__name__": "__main__", "MajorityVote": MajorityVote}
    exec("class Typed(MajorityVote): pass", space)
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)        # as it is where somebody types
    with pytest.raises(ConfigError, match="method 'typed' was defined in a session, not in a file"):
        saved.save(Team(space["Typed"](), [Named("a", ["A"])]), tmp_path / "y")     # type: ignore[operator]
    assert not (tmp_path / "x").exists()


def test_a_space_after_the_colon_of_a_member_is_named(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text("method: majority-vote\nmembers:\n  - hf: a/b\n")
    with pytest.raises(ConfigError, match="is no member: a model is one text, without a space after the colon, such as 'hf:a/b'"):
        saved.load(tmp_path, resolve)


def test_a_member_that_became_several_is_named(tmp_path: Path) -> None:
    saved.save(Team(MajorityVote(), [Named("a", ["A"])]), tmp_path / "t")
    with pytest.raises(ConfigError, match="a was one member and is now 2"):
        saved.load(tmp_path / "t", lambda spec: [Named("a", ["A"]), Named("b", ["A"])])
