"""Right replies in usual phrasings score 1, replies that cannot be right score 0: over published task files."""

import asyncio
import importlib.util
import os
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest

from consilience.tasks import Task, task
from consilience.types import Example, digest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CONSILIENCE_DATA") or ROOT.parent / "shared" / "data") / "tasks"
FILES = sorted(DATA.glob("*.json.gz"))
EACH = 120
"""Questions of each file and answer format; `benchmarks/readings/by_construction.py` asks them all."""


def phrasings() -> ModuleType:
    spec = importlib.util.spec_from_file_location("phrasings", ROOT / "benchmarks" / "readings" / "phrasings.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PHRASINGS = phrasings()


def sample(loaded: Task) -> list[Example]:
    kinds: dict[str, list[Example]] = defaultdict(list)
    for example in sorted((*loaded.dev, *loaded.test), key=lambda e: digest(e.id)):
        assert example.request.format is not None
        kinds[example.request.format.name.split("-")[0]].append(example)
    return [example for examples in kinds.values() for example in examples[:EACH]]


async def mean_scores(examples: list[Example], replies: str) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for example in examples:
        format = example.request.format
        assert format is not None
        for name, text in getattr(PHRASINGS, replies)(example):
            found[name].append(await format.score(format.read(text), example.references))
    return {name: sum(scores) / len(scores) for name, scores in found.items()}


@pytest.mark.skipif(not FILES, reason=f"no task files in {DATA}; set CONSILIENCE_DATA")
def test_the_published_files_are_all_there() -> None:
    assert len(FILES) == 25
    assert sum(not task(file).refusal for file in FILES) == 18


@pytest.mark.parametrize("file", FILES or [pytest.param(None, marks=pytest.mark.skip(f"no task files in {DATA}"))],
                         ids=lambda f: f.name.split(".")[0] if f else "none")
def test_right_replies_score_one_and_others_nothing(file: Path) -> None:
    loaded = task(file)
    if loaded.refusal:
        assert "cannot be scored here" in loaded.refusal
        return
    examples = sample(loaded)
    right, wrong = (asyncio.run(mean_scores(examples, kind)) for kind in ("right", "wrong"))
    assert len(right) >= 10 and min(right.values()) >= 0.999, right
    assert set(wrong) >= {"empty", "the question", "refusal"} and max(wrong.values()) == 0.0, wrong


def made(format_name: str, reference: str, question: str = "Which one is it?") -> Example:
    """A made-up example, so that the phrasings hold where no data is."""
    from consilience.reading import Choice, from_name
    from consilience.types import Request

    format = Choice(4, ("red wine", "gold", "blue", "a grey car")) if format_name == "choice-4" else from_name(format_name)
    return Example("x", Request.of(question, format=format), (reference,))


@pytest.mark.parametrize(("name", "reference"), [
    ("choice-4", "B"), ("choice-4", "D"), ("number", "1,250"), ("number", "-3"), ("number", "0.5"), ("math", r"\frac{1}{2}"),
    ("math", "x^2+1"), ("math", r"\text{even}"), ("exact", "valid"), ("exact", "A"), ("exact", "] ) }"), ("exact-yes|no", "yes"),
    ("f1", "New York City"),
])
def test_made_up_examples(name: str, reference: str) -> None:
    example = made(name, reference)
    assert set(asyncio.run(mean_scores([example], "right")).values()) == {1.0}
    assert set(asyncio.run(mean_scores([example], "wrong")).values()) == {0.0}
