"""What holds for the whole suite: a cache folder of its own; properties that are tried on the same examples
every time (set CONSILIENCE_EXPLORE for new ones), however busy the machine."""

from __future__ import annotations

import os

import hypothesis
import pytest

hypothesis.settings.register_profile("patient", deadline=None, derandomize="CONSILIENCE_EXPLORE" not in os.environ,
                                     suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Merged checkpoints of tests go to a temporary folder; subprocesses inherit it."""
    os.environ["CONSILIENCE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
