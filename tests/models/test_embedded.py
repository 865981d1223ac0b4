"""The embedded pool as models, on a small pool laid out like the real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from consilience import nursery
from consilience.errors import ConfigError
from consilience.model import Price
from consilience.models import embedded
from consilience.models.local import LocalHost
from consilience.models.resolve import model, pool
from consilience.types import Request
from tests.models.local.tiny import checkpoint

def card(name: str, price: float, **facts: str) -> dict[str, object]:
    return {"name": name, "folder": f"weights/{name}", "base": "", "description": "",
            "price": {"prompt": price, "completion": price + 1}, **facts}


CARDS = {
    "default": "far",
    "members": [card("one", 1, description="the first"), card("two", 3, folder="weights/second"), card("lost", 5),
                card("all", 7, folder="weights/second")],
    "groups": {"far": ["one", "two"], "control": ["all"]},
    "wordings": {"answer": {"text": "{question}!"}, "route": {"text": "who? {members}", "item": "{letter}) {text}"}},
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHost]:
    monkeypatch.setattr(nursery, "FOLDER", tmp_path)
    monkeypatch.setattr(nursery, "WEIGHTS", tmp_path / "weights")
    embedded.residents.cache_clear()
    (tmp_path / "pool.json").write_text(json.dumps(CARDS))
    checkpoint(tmp_path / "weights" / "one", seed=1)
    checkpoint(tmp_path / "weights" / "second", seed=2)
    yield LocalHost(memory=1 << 28)
    embedded.residents.cache_clear()


def test_members_and_groups(small: LocalHost) -> None:
    one, two = pool("nursery", host=small)
    assert (one.card.name, one.card.price, one.card.description, one.card.spec) == ("one", Price(1, 2), "the first", "nursery/one")
    assert one.card.forms["answer"].text == "{question}!" and two.card.forms["route"].item == "{letter}) {text}"
    assert one.card.fingerprint != two.card.fingerprint
    assert [m.card.name for m in pool("nursery:far", host=small)] == ["one", "two"]
    assert [r.name for r in embedded.beside("nursery")] == ["all"]
    assert embedded.beside("nursery/one") == embedded.beside("nursery:control") == []
    assert model("nursery/one", host=small).card == one.card
    named = model({"model": "nursery/one", "name": "uno", "price": [9, 9]}, host=small)
    assert (named.card.name, named.card.price) == ("uno", Price(9, 9)) and model(named.card.spec, host=small).card == named.card
    request = Request.of("why", form="answer").sampled(max_tokens=4)
    [reply] = asyncio.run(one.generate(request))
    assert reply.usage.completion_tokens == 4 and reply.cost == pytest.approx((reply.usage.prompt_tokens + 8) / 1e6)


def test_errors(small: LocalHost) -> None:
    for spec, words in (("nursery/tow", "Did you mean 'two'"), ("nursery:fat", "Did you mean 'far'"),
                        ("nursery/lost", "weights are not in")):
        with pytest.raises(ConfigError, match=words):
            pool(spec, host=small)
    with pytest.raises(ConfigError, match="several models"):
        pool({"model": "nursery", "price": [1, 1]}, host=small)
    (nursery.FOLDER / "pool.json").unlink()
    embedded.residents.cache_clear()
    with pytest.raises(ConfigError, match="pool.json is missing"):
        pool("nursery")
