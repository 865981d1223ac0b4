"""Values of programs: equal by value, apart by every space inside quotes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.reading import Literal
from consilience.tasks import task


def score(said: str, reference: str) -> float:
    return asyncio.run(Literal().score(Literal().read(said), [reference]))


@pytest.mark.parametrize(("text", "value"), [
    ("The answer is ''.", "''"), ('{"answer": ""}', "''"), ("", None), ("<think>'a'</think>", None), ("<think>1</think>2", "2"),
    ("The answer is [1, 2], because of x.", "[1, 2]"), ("The answer is 'a, which b'.", "'a, which b'"), ("**Answer:** `[1]`", "[1]"),
    ('{"answer": "  x "}', "'  x '"), ('{"answer": [1,2]}', "[1, 2]"), ('{"answer": "true"}', "True"), ("\\boxed{(1,)}", "(1,)"),
    ("```python\nassert f(3) == 'x '\n```", "'x '"), ("So it is\n{'b': 1, 'a': 2}", "{'a': 2, 'b': 1}"), ("hello", "'hello'"),
    ("So it is\nsomething else", None), ("I cannot help with that", None), ("What is f(3)?", None), ("{2, 1}", "{1, 2}"), ("set()", "set()"),
    ("[" * 100_000, None), ("1" * 30_000 + "?", None),
])
def test_values(text: str, value: str | None) -> None:
    found = Literal().read(text)
    assert found == value or (value is None and found is not None and text.startswith("["))


@pytest.mark.parametrize(("said", "reference", "right"), [
    ("'a'", '"a"', 1.0), ("[1,2]", "[1, 2]", 1.0), ("{'a':1}", '{ "a": 1 }', 1.0), ('{"answer": "a"}', "'a'", 1.0),
    ('{"answer": "0"}', "'0'", 1.0), ("'0'", "0", 0.0), ('{"answer": " a"}', "'a'", 0.0), ('{"answer": "    7    "}', "'     7     '", 0.0),
    ('{"answer": ""}', "''", 1.0), ('{"answer": ""}', "' '", 0.0), ("1", "1.0", 0.0), ("1", "True", 0.0), ("[1, 2]", "(1, 2)", 0.0),
    ('{"answer": "a\\\\nb"}', "'a\\nb'", 1.0), ("", "''", 0.0),
])
def test_what_is_equal(said: str, reference: str, right: float) -> None:
    assert score(said, reference) == right


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
                      | st.tuples(inner, inner), max_leaves=6)


@given(VALUES, VALUES)
def test_one_writing_for_each_value(one: Any, two: Any) -> None:
    format = Literal()
    assert format.refer(repr(one)) == format.read(f"The answer is {one!r}")
    assert format.refer(format.refer(repr(one)) or "") == format.refer(repr(one))
    if repr(one) != repr(two) and one != two:
        assert format.refer(repr(one)) != format.refer(repr(two))


def test_a_task_may_ask_for_it(tmp_path: Any) -> None:
    (tmp_path / "f.csv").write_text("question,answer\n" + "".join(f"f({i})?,\"'{i} '\"\n" for i in range(20)))
    assert task(tmp_path / "f.csv", format="literal").formats == ("literal/1",)
