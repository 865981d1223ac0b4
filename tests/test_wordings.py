"""Wordings of a method: found in its code, checked, replaced, and told apart by digest."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from consilience import member
from consilience.errors import ConfigError
from consilience.gather import Members, ask_all, put
from consilience.method import Level, Method
from consilience.prompt import FORMS, worded, write
from consilience.registry import method, methods
from consilience.saved import load, save
from consilience.team import Team
from consilience.types import Reply, Request, Wording
from consilience.wordings import chosen, speaking, spoken_digest, wordings_of

HINT = Wording("{question}\n\nA hint:\n<<<\n{hint}\n>>>")
_LATER = Wording("{question} Later: {items}", "* {text}\n")
UNUSED = Wording("never said")


class Box(list[int]):
    """A value that is neither function nor class, and has no hash."""


CLEAN, BOX = re.compile("x").sub, Box()
"""A function of C, which has no module."""


def later(request: Request) -> Request:
    assert CLEAN("y", "x") == "y" and BOX == []
    return worded(request, _LATER, items=["x"])


@dataclass(frozen=True)
class Hints(Method):
    """A method of a user's own, written without a word about its prompts."""

    level: ClassVar = Level.TEXT

    async def run(self, request: Request, members: Members) -> Reply:
        asks = [worded(request, HINT, hint=text) for text in ("a", "b")]
        await ask_all(members, later(asks[0]))
        return (await ask_all(members, self._fuse(request))).best

    @staticmethod
    def _fuse(request: Request) -> Request:
        """Names no form in passing: refine."""
        return put(request, "fuse", candidates=["steps"])


def test_wordings_are_found_where_the_code_says_them() -> None:
    assert wordings_of(Hints) == {"fuse": FORMS["fuse"].wording, "hint": HINT, "later": _LATER}


def test_a_text_keeps_the_item_and_both_are_checked() -> None:
    made = chosen(Hints, {"later": "{items} first"}, "hints")
    assert made == {"later": Wording("{items} first", "* {text}\n")}
    assert chosen(Hints, {"later": Wording("{items}", "{number} {text}")}, "hints")["later"].item == "{number} {text}"
    with pytest.raises(ConfigError, match=r"prompt hint has no field {hnit}. Did you mean 'hint'"):
        chosen(Hints, {"hint": "{hnit}"}, "hints")
    with pytest.raises(ConfigError, match="no prompt 1"):
        chosen(Hints, {1: "x", "hint": "y"}, "hints")       # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="half of a character"):
        chosen(Hints, {"hint": "\ud800 {hint}"}, "hints")
    with pytest.raises(ConfigError, match=r"item of prompt later has no field {name}"):
        chosen(Hints, {"later": Wording("{items}", "{name}")}, "hints")


def test_what_is_said_within_a_method_is_named_and_replaced() -> None:
    ask = Request.of("Which?", form="answer")
    with speaking(Hints, {"hint": Wording("Mine: {hint}"), "fuse": Wording("{candidates}!", "{text}")}):
        told, fused = worded(ask, HINT, hint="x"), put(ask, "fuse", candidates=["a", ">>>"])
        assert (told.stage, told.messages[-1].content) == ("hint", "Mine: x")
        assert (fused.stage, fused.form, fused.messages[-1].content) == ("fuse", None, "a> > >!")
        assert write(HINT, {"hint": "y"}) == "Mine: y" and put(ask, "check", answer="a").form == "check"
        with speaking(Hints, {}):
            assert worded(ask, HINT, hint="x").messages[-1].content == "Which?\n\nA hint:\n<<<\nx\n>>>"
        assert write(HINT, {"hint": "y"}) == "Mine: y", "the outer method's wordings are back"
    assert worded(ask, HINT, hint="x").stage == ""


def test_helpers_of_fitting_speak_as_the_method_that_made_them() -> None:
    from consilience.learn.skills import NAMED, Naming

    ask = Request.of("Which?")
    with speaking(methods()["symbolic-moe"], {"named": Wording("Skills?")}), speaking(Naming, {}):
        assert worded(ask, NAMED).messages[-1].content == "Skills?"


def test_a_team_is_saved_with_its_prompts(tmp_path: Path) -> None:
    spec = json.dumps({"model": "openai:x@http://127.0.0.1:9/v1", "price": [1, 1]})
    made = method("reconcile", {"prompts": {"view": {"text": "{said}", "item": "{number}) {text}"}, "first": "{question}!"}})
    again = load(save(Team(made, [member(spec)]), tmp_path / "team"))
    assert isinstance(again, Team) and again.method == made and again.method.speech == made.speech != method("reconcile").speech


def test_a_digest_tells_wordings_apart() -> None:
    own = {"hint": Wording("Mine: {hint}")}
    assert spoken_digest(Hints, {}) == spoken_digest(Hints, {"hint": HINT}) != spoken_digest(Hints, own)
    assert Hints().speech == spoken_digest(Hints, {}) and Hints(prompts={"hint": "Mine: {hint}"}).speech == spoken_digest(Hints, own)
    assert Hints().key() == Hints(prompts={}).key() != Hints(prompts=own).key()
