"""Expressions: reading is quick text work, equality is algebra."""

import asyncio
import time

import pytest

from consilience.reading import Math
from consilience.reading import equality


@pytest.mark.parametrize(("text", "expression"), [
    (r"So it is \boxed{\frac{1}{2}}.", r"\frac{1}{2}"), ("The answer is $x^2$, which completes the solution.", "x^2"), ("x+1", "x+1"),
    (r"Thus $a = 3$ and then $b = \sqrt{2}$.", r"\sqrt{2}"), ("What is $2 + 2$?", None), (r"Expand $(x+1)^2$.", None), ("", None),
    (r"\begin{pmatrix} 1 \\ 0 \end{pmatrix}, because", r"\begin{pmatrix} 1 \\ 0 \end{pmatrix}"), ("**Answer:** 3x", "3x"),
    ("I cannot help with that.", None), ("<think>1", None), (r"\$425, because", r"\$425"), ('{"answer": "2x"}', "2x"),
])
def test_reading(text: str, expression: str | None) -> None:
    assert Math().read(text) == expression


@pytest.mark.parametrize(("gold", "said", "score"), [
    (r"\{1,3\} \cup \{2,4\}", r"\{1,2,3,4\}", 1.0), ("1/2", "0.5", 1.0), (r"\frac12", "1/2", 1.0), ("1", "x=1", 1.0), ("0.1", "10\\%", 1.0),
    ("(1,2)", "[1,2]", 0.0), (r"2\sqrt{2}", r"\sqrt{8}", 1.0), ("x^2-5x-24", "(x-8)(x+3)", 1.0), ("4x", "3x", 0.0), ("-1, 8", "8, -1", 1.0),
    (r"29^\circ", "29", 1.0), (r"\text{Sunday}", "Sunday", 1.0), (r"1,\!722", "1722", 1.0), (r"20\text{ square units}", "20", 1.0),
])
def test_equality(gold: str, said: str, score: float) -> None:
    assert asyncio.run(Math().score(Math().read(said), [gold])) == score


def test_groups() -> None:
    assert asyncio.run(Math().group(["1/2", None, "0.5", r"\sqrt{4}", "2", "0.5"])) == [0, None, 0, 1, 1, 0]


def test_trivial_cases_start_no_process() -> None:
    equality.close()
    for gold, said in (("42", "42.0"), ("x+1", "x + 1"), (r"\dfrac{1}{2}", r"\frac{1}{2}"), (r"\frac{1}{2}", "0.5")):
        assert asyncio.run(Math().score(said, [gold])) == 1.0
    assert asyncio.run(Math().score(None, ["x"])) == asyncio.run(Math().score("4", ["5"])) == 0.0
    assert equality._pool is None


def test_runaway_expressions_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equality, "_pool", None)
    endless = r"\boxed{1" + "+1" * 1500 + "}"
    assert asyncio.run(Math().score(Math().read(endless), ["x+1"])) == 0.0
    assert asyncio.run(Math().group([Math().read(endless), "x+1", Math().read(endless)])) == [0, 1, 0]
    assert equality._pool is None


def test_reading_is_quick() -> None:
    text = "The answer is $\\frac{1}{2}$."
    start = time.process_time()
    for _ in range(1000):
        Math().read(text)
    assert time.process_time() - start < 0.05 * 5  # 50 microseconds each, and a margin for a busy machine
