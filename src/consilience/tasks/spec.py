"""Tasks by name: the one door."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from consilience.errors import TaskError, did_you_mean
from consilience.tasks import embedded, files, hub, moco, recorded, table
from consilience.tasks.build import Options, as_format
from consilience.tasks.task import Task
from consilience.types import AnswerFormat, Sampling


def task(spec: str | Path, *, limit: int | None = None, form: str = "", format: AnswerFormat | str | None = None,
         sampling: Sampling | None = None, columns: Mapping[str, str] | None = None, dev_share: float = 0.5,
         name: str = "", seed: int = 0) -> Task:
    """The task that a spec names.

    `nursery` (the mixed embedded task), `nursery/arith` (one cell); a file (`.jsonl`, `.csv`, `.parquet`, `.json`, packed
    or not; MoCo's JSON too) or a folder with `dev.*` and `test.*`; `hub:org/name[/config]`;
    `recorded:file.jsonl.gz#dataset`.

    `limit`: at most so many questions of each split. `form`: `answer` or `steps`, for all questions; by default numbers
    and mathematics are asked in steps. `format`: the answer format, for all questions. `columns`: which column of a
    table is the `question`, the `references`, the `options`, .... `dev_share`: the share of dev where a source has one
    split. `seed`: of the requests. Raises TaskError.
    """
    chosen = as_format(format, "format") if format is not None else None
    options = Options(form, chosen, sampling, limit, dev_share, dict(columns or {}), name, seed)
    text = str(spec)
    if text == "nursery" or text.startswith("nursery/"):
        return embedded.load(text, options)
    if text.startswith("hub:"):
        return hub.load(text.removeprefix("hub:"), options)
    if text.startswith("recorded:"):
        path, _, dataset = text.removeprefix("recorded:").partition("#")
        return recorded.load(_existing(path), dataset, options)
    return _from_path(_existing(text), options)


def _existing(text: str) -> Path:
    path = Path(text).expanduser()
    if text and path.exists():
        return path
    if "/" in text or "." in text:
        near = did_you_mean(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""
        raise TaskError(f"there is no task file {text}.{near}")
    raise TaskError(f"unknown task {text!r}.{did_you_mean(text, embedded.names())} A task is also a file, hub:name or "
                    "recorded:file#dataset.")


def _from_path(path: Path, options: Options) -> Task:
    if path.is_file() and files.kind(path) == ".json":
        if isinstance(files.document(path), dict):
            return moco.load(path, options)
    return table.load(path, options)
