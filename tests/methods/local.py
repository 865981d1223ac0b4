"""Tiny random checkpoints on a local host of their own."""

from __future__ import annotations

from pathlib import Path

from consilience.models.local import LocalHost, LocalModel
from tests.models.local.tiny import checkpoint


def models(folder: Path, n: int, **changes: object) -> list[LocalModel]:
    """`n` different models m0, m1, ... on one host."""
    host = LocalHost()
    return [LocalModel(checkpoint(folder / f"m{i}", seed=i, **changes), host=host, name=f"m{i}") for i in range(n)]  # type: ignore[arg-type]


def verifier(folder: Path, beside: LocalModel) -> LocalModel:
    """A random verifier on the host of another model."""
    return LocalModel(checkpoint(folder / "v", "verifier", seed=9), host=beside.host, name="v")
