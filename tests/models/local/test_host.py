"""The host: what is in memory, who is served, what survives."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from consilience.decode.tensors import MeanLogits
from consilience.errors import MissingExtraError, ModelError, TeamError
from consilience.models.local import LocalHost, LocalModel
from consilience.models.local.quiet import settle
from consilience.types import Draws, Request, Sampling, Scope
from tests.models.local.tiny import checkpoint

pytestmark = pytest.mark.anyio
SHORT = Sampling(temperature=0, max_tokens=4)
NAMES = ("a", "b", "c")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkpoints")
    for seed, name in enumerate(NAMES):
        checkpoint(root / name, "llama", seed)
    return root


def host_for(folder: Path, models: float, **options: object) -> LocalHost:
    """A host whose memory for weights takes so many of the tiny models."""
    size = LocalModel(folder / "a", host=LocalHost(memory=1 << 30)).checkpoint.parameters * 4
    return LocalHost(memory=int(size * models / 0.75), **options)       # type: ignore[arg-type]


def ask(text: str, **changes: object) -> Request:
    return Request.of(text, sampling=SHORT).having(**changes)


@pytest.mark.parametrize("rounds", [1, 3])
async def test_refining_loads_each_model_at_most_once_a_round_and_once_more(folder: Path, rounds: int) -> None:
    """Memory for one of three members, all questions admitted."""
    with host_for(folder, 1.5) as host:
        members = [LocalModel(folder / name, host=host) for name in NAMES]

        async def question(number: int) -> list[str]:
            said = [f"question {number}"] * 3
            for _ in range(rounds + 1):
                replies = await asyncio.gather(*(m.generate(ask(f"{number}: {' '.join(said)[:40]}")) for m in members))
                for _ in range(number % 5):         # some are slower to come back
                    await asyncio.sleep(0)
                said = [r.text or "" for [r] in replies]
            return said

        await asyncio.gather(*(question(i) for i in range(24)))
        assert sum(host.stats.loads.values()) <= 3 + 2 * rounds
        assert max(host.stats.loads.values()) <= rounds + 1
        assert len(host.resident) == 1
        assert host.stats.rows == 24 * 3 * (rounds + 1)


async def test_models_that_fit_stay(folder: Path) -> None:
    with host_for(folder, 3.1) as host:
        members = [LocalModel(folder / name, host=host) for name in NAMES]
        for number in range(5):
            await asyncio.gather(*(m.generate(ask(str(number))) for m in members))
        assert host.stats.loads == {"a": 1, "b": 1, "c": 1}
        assert host.stats.swaps == 0


async def test_a_set_that_cannot_fit_is_refused_when_asked_and_when_used(folder: Path) -> None:
    with host_for(folder, 2.5) as host:
        members = [LocalModel(folder / name, host=host) for name in NAMES]
        assert members[0].refuses(members[:2]) is None
        assert "do not fit" in str(members[0].refuses(members))
        with pytest.raises(TeamError, match=r"a 0\.1 MB, b 0\.1 MB, c 0\.1 MB, together 0\.4 MB"):
            await members[0].decode(members, [ask("x")] * 3, MeanLogits(), Draws(), Scope())
        assert host.stats.loads == {}
    with host_for(folder, 0.5) as small:
        with pytest.raises(TeamError, match="this model does not fit"):
            await LocalModel(folder / "a", host=small).generate(ask("x"))


async def test_a_cancelled_call_takes_its_rows_along(folder: Path) -> None:
    with host_for(folder, 2) as host:
        model = LocalModel(folder / "a", host=host)
        long = asyncio.create_task(model.generate(ask("long", sampling=Sampling(temperature=0, max_tokens=450))))
        await model.generate(ask("short"))
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        await model.generate(ask("next"))
        assert host.stats.steps < 400
        assert host.waiting == 0


async def test_a_broken_checkpoint_fails_its_callers_and_nobody_else(folder: Path, tmp_path: Path) -> None:
    broken = checkpoint(tmp_path / "broken")
    from safetensors.torch import load_file, save_file
    weights = load_file(broken / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with host_for(folder, 4) as host:
        bad, good = LocalModel(broken, host=host), LocalModel(folder / "a", host=host)
        results = await asyncio.gather(bad.generate(ask("x")), bad.generate(ask("y")), good.generate(ask("z")),
                                       return_exceptions=True)
        assert all(isinstance(r, ModelError) and "lacks 1 weights" in str(r) for r in results[:2])
        assert isinstance(results[2], list)


async def test_a_truncated_checkpoint_fails_its_callers_and_nobody_else(folder: Path, tmp_path: Path) -> None:
    broken = checkpoint(tmp_path / "broken") / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1000])
    with host_for(folder, 4) as host:
        bad, good = LocalModel(broken.parent, host=host), LocalModel(folder / "a", host=host)
        results = await asyncio.gather(bad.generate(ask("x")), good.generate(ask("z")), return_exceptions=True)
        assert isinstance(results[0], ModelError) and "broken cannot be loaded" in str(results[0])
        assert isinstance(results[1], list)


async def test_a_checkpoint_that_is_written_anew_is_loaded_anew(folder: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "mine")
    with host_for(folder, 4) as host:
        old = LocalModel(path, host=host)
        [before] = await old.generate(ask("x"))
        [other] = await LocalModel(folder / "b", host=host).generate(ask("x"))
        (path / "model.safetensors").write_bytes((folder / "b" / "model.safetensors").read_bytes())
        [after] = await LocalModel(path, host=host).generate(ask("x"))
        assert after.text == other.text != before.text
        stale = LocalModel(path, host=host)
        (path / "model.safetensors").write_bytes((folder / "a" / "model.safetensors").read_bytes())
        with pytest.raises(ModelError, match="written anew"):
            await stale.generate(ask("y"))


@dataclass(frozen=True)
class Broken:
    """A combiner with a mistake."""

    def combine(self, logits: torch.Tensor) -> torch.Tensor:
        return logits[7]


async def test_a_broken_combiner_is_the_callers_error(folder: Path) -> None:
    with host_for(folder, 2) as host:
        model = LocalModel(folder / "a", host=host)
        with pytest.raises(ModelError, match="IndexError"):
            await model.decode([model], [ask("x")], Broken(), Draws(), Scope())
        assert (await model.generate(ask("x")))[0].text is not None


def test_loops_in_several_threads_share_a_host_and_its_batches(folder: Path) -> None:
    with host_for(folder, 1.5) as host:
        models = [LocalModel(folder / name, host=host) for name in "ab"]
        texts: dict[int, list[str | None]] = {}

        def work(number: int) -> None:
            async def main() -> None:
                replies = await asyncio.gather(*(m.generate(ask(f"q{i}")) for i in range(10) for m in models))
                texts[number] = [r.text for [r] in replies]
            asyncio.run(main())

        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert texts[0] == texts[1] == texts[2] and len(texts[0]) == 20


async def test_a_full_queue_makes_callers_wait_and_all_are_served(folder: Path) -> None:
    with host_for(folder, 1.5, waiting=2, lanes=2) as host:
        models = [LocalModel(folder / name, host=host) for name in "ab"]
        replies = await asyncio.gather(*(m.generate(ask(str(i))) for i in range(15) for m in models))
        assert len(replies) == 30


async def test_patience_makes_the_host_swap_for_a_late_call(folder: Path) -> None:
    """One model is asked without end; the other one's call is served all the same."""
    with host_for(folder, 1.5, patience=0.2) as host:
        busy, other = LocalModel(folder / "a", host=host), LocalModel(folder / "b", host=host)
        served = asyncio.Event()

        async def keep_asking(number: int) -> None:
            while not served.is_set():
                await busy.generate(ask(f"again {number}"))

        asking = [asyncio.create_task(keep_asking(i)) for i in range(4)]
        await asyncio.wait_for(other.generate(ask("me too")), 30)
        served.set()
        await asyncio.gather(*asking)
        assert host.stats.loads["b"] == 1


async def test_a_closed_host_refuses_and_tells_those_who_wait(folder: Path) -> None:
    host = host_for(folder, 2)
    model = LocalModel(folder / "a", host=host)
    long = asyncio.create_task(model.generate(ask("long", sampling=Sampling(temperature=0, max_tokens=480)), Draws(3)))
    await model.generate(ask("short"))
    await asyncio.get_running_loop().run_in_executor(None, host.close)
    with pytest.raises(ModelError, match="closed") as caught:
        await long
    assert caught.value.reason == "down"
    with pytest.raises(ModelError, match="closed"):
        await model.generate(ask("late"))


async def test_scoring_and_decoding_wait_in_queues_of_their_own(folder: Path) -> None:
    with host_for(folder, 1.5) as host:
        model = LocalModel(folder / "a", host=host)
        work: Sequence[object] = await asyncio.gather(
            *(model.generate(ask(str(i))) for i in range(5)), *(model.score(ask(str(i)), "abc") for i in range(5)),
            *(model.next(ask(str(i)), ["a", "b"]) for i in range(5)))
        assert len(work) == 15 and host.stats.loads == {"a": 1}


async def test_settling_waits_for_chains_of_wake_ups() -> None:
    """No coroutine may be ready when it returns, however long the chain of tasks that a result sets off."""
    loop, done = asyncio.get_running_loop(), 0

    async def chain(depth: int) -> int:
        nonlocal done
        for _ in range(depth):
            await asyncio.create_task(asyncio.sleep(0))
        done += 1
        return depth

    tasks = [asyncio.create_task(chain(depth)) for depth in (1, 40, 200)]
    await asyncio.to_thread(settle, [loop], 5.0)
    assert done == 3
    await asyncio.gather(*tasks)


def test_without_torch_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"\[local\]"):
        LocalHost()
