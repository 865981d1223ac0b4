"""The recipe end to end, at toy scale."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from consilience.nursery import stages  # noqa: E402 (needs torch)
from consilience.nursery.answers import ask, is_right  # noqa: E402
from consilience.nursery.checkpoints import read_member  # noqa: E402
from consilience.nursery.data import Encoder  # noqa: E402
from consilience.nursery.net import decode, likelihood  # noqa: E402

TRIED = ("early", "base", "scout_harbor", "scout_garden", "scout_museum", "scout_kitchen", "answers", "far_harbor", "habits", "near_harbor",
         "adapter_harbor", "soup_a", "generalist", "verifier", "weak", "second_base", "second_garden")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("pool")
    job = stages.Job(out, seed=0, scale=0.002)
    by_name = {stage.name: stage for stage in stages.STAGES}
    for name in TRIED:
        stages.finish(job, by_name[name])
    return out


def test_every_kind_of_member_is_written(pool: Path) -> None:
    for name in ("base", "harbor", "near_harbor", "soup_a", "generalist", "verifier", "weak", "second_garden"):
        assert (pool / name / "model.safetensors").exists()
        assert (pool / name / "tokenizer_config.json").exists()
    assert (pool / "adapter_harbor" / "adapter_model.safetensors").exists()


def test_stages_are_finished_once_and_in_order() -> None:
    seen: set[str] = set()
    for stage in stages.STAGES:
        assert seen.issuperset(stage.needs)
        seen.add(stage.name)


def test_a_stage_gives_the_same_weights_again(pool: Path, tmp_path: Path) -> None:
    for out in (tmp_path / "first", tmp_path / "second"):
        stages.finish(stages.Job(out, seed=3, scale=0.002), next(stage for stage in stages.STAGES if stage.name == "early"))
    files = [(tmp_path / name / "work" / "early.safetensors").read_bytes() for name in ("first", "second")]
    assert files[0] == files[1]


def test_decoding_does_not_depend_on_the_batch(pool: Path) -> None:
    params, shape, tokenizer = read_member(pool / "base")
    encoder = Encoder(tokenizer)
    prompts = [encoder.prompt(text) for text in ("What is 4 + 5?", "Sort: d a", "steps: True or false: true and false?")]
    together = decode([params], shape, prompts, encoder.mark["<|end|>"], limit=6)
    alone = [decode([params], shape, [prompt], encoder.mark["<|end|>"], limit=6)[0] for prompt in prompts]
    assert [draft.ids for draft in together] == [draft.ids for draft in alone]
    for prompt, draft in zip(prompts, alone, strict=True):
        if draft.ids and len(draft.logprobs) == len(draft.ids):
            assert likelihood(params, shape, [prompt], [draft.ids])[0] == pytest.approx(sum(draft.logprobs) / len(draft.logprobs), abs=1e-4)


def test_answers_are_read_from_chains() -> None:
    from consilience.nursery.tasks import problems

    problem = problems("arith", "dev", 1)[0]
    assert is_right(problem, f"1+1=2; answer: {problem.reference}")
    assert not is_right(problem, f"answer: {problem.reference}; answer: none")
    assert ask.__doc__
