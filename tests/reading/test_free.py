"""Open text."""

import asyncio

from consilience.reading import Free


def test_any_text_reads_as_itself() -> None:
    assert Free().read(" A poem.\nTwo lines. ") == "A poem.\nTwo lines." and Free().read("  ") is None
    assert Free().read("<think>x</think>y") == "y" and Free().read("<think>x") is None


def test_only_equal_texts_are_equal() -> None:
    assert asyncio.run(Free().group(["A b", "a  B", "c", None])) == [0, 0, 1, None]
    assert asyncio.run(Free().score("A poem", ["a poem"])) == 1.0 and asyncio.run(Free().score("A poem.", ["a poem"])) == 0.0
    assert asyncio.run(Free().score(None, [""])) == 0.0
    assert Free().instruction == "" and Free().name == "free/1"
