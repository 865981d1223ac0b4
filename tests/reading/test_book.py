"""Formats by name, and through JSON."""

import json

import pytest

from consilience.errors import ConfigError
from consilience.reading import F1, Choice, Exact, Free, Literal, Math, Number, YesNo, from_dict, from_name, to_dict

ALL = [Choice(4), Choice(2, ("red", "blue")), Number(), Math(), Exact(), Exact(("yes", "no way")), F1(), Free(), Literal(), YesNo()]


@pytest.mark.parametrize("format", ALL, ids=lambda f: f.name)
def test_through_json_and_back(format: object) -> None:
    assert from_dict(json.loads(json.dumps(to_dict(format)))) == format  # type: ignore[arg-type]


@pytest.mark.parametrize("format", [f for f in ALL if f != Choice(2, ("red", "blue"))], ids=lambda f: f.name)
def test_by_name(format: object) -> None:
    assert from_name(format.name) == format  # type: ignore[attr-defined]


def test_version_may_be_left_out() -> None:
    assert from_name("number") == Number() and from_name("choice-3") == Choice(3)


@pytest.mark.parametrize(("name", "message"), [
    ("numbr", "Did you mean 'number'"), ("choice", "choice-4"), ("number/2", "version 2"), ("number-3", "takes nothing"), ("choice-99", "1 to 26"),
])
def test_wrong_names(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_name(name)


def test_wrong_descriptions() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'texts'"):
        from_dict({"name": "choice-2/1", "n": 2, "text": []})
    with pytest.raises(ConfigError, match="needs a 'name'"):
        from_dict({"n": 2})
    with pytest.raises(ConfigError, match="only the formats"):
        to_dict(object())  # type: ignore[arg-type]
