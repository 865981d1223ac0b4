"""One cache folder for the whole suite, so that tests leave nothing in the user's own."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Merged checkpoints of tests go to a temporary folder; subprocesses inherit it."""
    os.environ["CONSILIENCE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
