"""Data sets of the Hugging Face hub, or written to disk by the `datasets` library."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consilience.errors import MissingExtraError, TaskError
from consilience.tasks import table
from consilience.tasks.build import Options
from consilience.tasks.task import Task

_DEV = ("dev", "validation", "valid", "val", "train")


def load(name: str, options: Options) -> Task:
    """`org/name`, `org/name/config`, `name`, or a folder written by `save_to_disk`.

    Dev is the split `dev`, else `validation`, else `train`; test is `test`, else `validation` where dev is `train`.
    With one split only, questions are divided by content. Columns are found by name (`table.COLUMNS`), or given.
    """
    if not name:
        raise TaskError("hub: names no data set; name one: hub:org/name, hub:org/name/config, or hub: and a folder of save_to_disk")
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("hub", f"loading hub:{name}") from None
    loaded = _load(datasets, name)
    splits: Mapping[str, Any] = loaded if isinstance(loaded, dict) else {"": loaded}
    raws = [table.columns({**_named(row, dataset.features), "split": which} if which else _named(row, dataset.features),
                          f"hub:{name}{f', {part}' if part else ''}, row {number}", options)
            for part, which in _parts(name, splits) for dataset in [splits[part]]
            for number, row in enumerate(dataset, 1)]
    return table.make(Path(name).name, raws, options, f"hub:{name}")


def _load(datasets: Any, name: str) -> Any:
    folder = Path(name).expanduser()
    try:
        if folder.is_dir():
            return datasets.load_from_disk(str(folder))
        if name.startswith(("/", ".", "~")):
            raise TaskError(f"hub:{name} is no folder; a data set of the hub is named hub:org/name or hub:org/name/config")
        parts = name.split("/")
        return datasets.load_dataset("/".join(parts[:2]), parts[2] if len(parts) > 2 else None)
    except (OSError, ValueError, RuntimeError) as error:
        raise TaskError(f"hub:{name} cannot be loaded: {error}") from error


def _parts(name: str, splits: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Which source split becomes dev and which test; one split alone is divided by content."""
    if len(splits) == 1:
        return [(next(iter(splits)), "")]
    dev = next((s for s in _DEV if s in splits and (s != "train" or "test" in splits)), None)
    test = "test" if "test" in splits else "validation" if "validation" in splits and "train" in splits else None
    if dev == "validation" and test == "validation":
        dev = "train"
    if dev is None or test is None:
        raise TaskError(f"hub:{name} has the splits {sorted(splits)}; a dev (or validation, train) and a test split are "
                        "needed")
    return [(dev, "dev"), (test, "test")]


def _named(row: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any]:
    """Class labels by name instead of number, where the column is the answer to no listed options."""
    if any(c in row for c in ("choices", "options")):
        return {k: v for k, v in row.items() if v is not None}
    return {k: features[k].int2str(v) if hasattr(features[k], "int2str") and isinstance(v, int) else v
            for k, v in row.items() if v is not None}
