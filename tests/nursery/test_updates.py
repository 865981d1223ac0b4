"""Updates that keep quiet where other members must be heard."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from consilience.nursery.net import Params, Shape, causal, fresh, hidden, is_matrix, padded
from consilience.nursery.train import Row
from consilience.nursery.updates import input_sums, merge_aware_blend, quiet_maps, quieted, zero_updates

SHAPE = Shape(width=16, layers=2, heads=2, key_heads=2, inner=24, vocabulary=40)
HEARD = [Row(tuple(ids), (True,) * len(ids)) for ids in ([1, 2, 3, 4], [2, 5, 3], [4, 1, 2, 2, 5])]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def root() -> Params:
    return fresh(SHAPE, torch.Generator().manual_seed(1))


def noise(root: Params, size: float = 0.3) -> Params:
    rng = torch.Generator().manual_seed(2)
    return {name: torch.randn(p.shape, generator=rng) * size for name, p in zero_updates(root).items()}


def states(params: Params, rows: list[Row]) -> torch.Tensor:
    ids = padded([row.ids for row in rows])
    return hidden(params, SHAPE, ids, torch.arange(ids.shape[1])[None], causal(SHAPE))[padded([[1] * len(row.ids) for row in rows]).bool()]


def test_sums_are_those_of_the_inputs(root: Params) -> None:
    sums = input_sums(root, SHAPE, HEARD, size=2)
    tokens = torch.tensor([token for row in HEARD for token in row.ids])
    inputs = torch.nn.functional.rms_norm(root["model.embed_tokens.weight"][tokens], (SHAPE.width,), eps=1e-6)
    assert set(sums) == {name for name in root if is_matrix(name)}
    for name in "qkv":
        assert torch.allclose(sums[f"model.layers.0.self_attn.{name}_proj.weight"], inputs.T @ inputs, atol=1e-4)
    assert sums["model.layers.1.mlp.down_proj.weight"].shape == (SHAPE.inner, SHAPE.inner)


def test_maps_damp_what_was_heard_and_leave_the_rest() -> None:
    found = quiet_maps({"w": torch.diag(torch.tensor([6.0, 0.0]))}, strength=10.0)["w"]
    assert torch.allclose(found, torch.diag(torch.tensor([1 / 21, 1.0])))


def test_a_quieted_update_changes_little_on_what_was_heard(root: Params) -> None:
    maps = quiet_maps(input_sums(root, SHAPE, HEARD), 1000.0)
    loud, quiet = noise(root), quieted(noise(root), maps)
    strange = [Row((7, 8, 9, 10, 11), (True,) * 5)]

    def change(update: Params, rows: list[Row]) -> float:
        return float((states({**root, **{name: root[name] + p for name, p in update.items()}}, rows) - states(root, rows)).norm())

    assert change(quiet, HEARD) < 0.1 * change(loud, HEARD)
    assert change(quiet, strange) > 0.2 * change(loud, strange)


def test_a_blend_is_the_base_until_something_is_learned_and_learns_only_the_update(root: Params) -> None:
    maps = quiet_maps(input_sums(root, SHAPE, HEARD), 20.0)
    blend = merge_aware_blend(root, maps, torch.Generator().manual_seed(0))
    updates = {name: p.requires_grad_(True) for name, p in zero_updates(root).items()}
    assert all(torch.equal(p, root[name].bfloat16()) for name, p in blend(updates).items())
    sum(p.float().sum() for p in blend(updates).values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in updates.values())


def test_a_blend_scales_the_update_and_adds_less_decoy(root: Params) -> None:
    maps = {name: torch.eye(p.shape[1]) for name, p in zero_updates(root).items()}
    blend = merge_aware_blend(root, maps, torch.Generator().manual_seed(0))
    update = noise(root)
    name = "model.layers.0.mlp.up_proj.weight"
    for _ in range(20):
        moved = (blend(update)[name].float() - root[name]).flatten()
        whole = update[name].flatten()
        assert 0.55 <= float(moved @ whole / (whole @ whole)) <= 1.05
        assert float(moved.norm() / whole.norm()) <= 1.35
