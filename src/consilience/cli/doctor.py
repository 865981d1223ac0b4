"""`consilience doctor`: what is installed, what this machine offers, and what to do about the rest."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from consilience.cli.console import out, say_json
from consilience.errors import ConfigError

EXTRAS = {
    "local": (("torch", "transformers", "peft", "accelerate", "sklearn"), "models in this process (hf:, nursery)"),
    "train": (("trl", "datasets"), "fine-tuning methods"),
    "route": (("sklearn", "lightgbm"), "fitting the routers that learn with classical estimators"),
    "embed": (("model2vec", "sentence_transformers"), "other vectors of questions for routers (model2vec:NAME, sentence-transformers:NAME)"),
    "hub": (("datasets", "pyarrow"), "tasks from the hub, Parquet files"),
    "report": (("plotly",), "charts in report.html"),
    "serve": (("fastapi", "uvicorn"), "an OpenAI-compatible server of teams, to come: what it needs"),
    "ray": (("ray",), "several machines, to come: what it needs"),
}
"""Extra -> the modules that it brings, and what for."""

CORE = ("openai", "pydantic", "numpy", "safetensors", "rich", "typer", "math-verify", "tenacity", "jinja2", "pyyaml")
WAIT = 3.0
"""Seconds that an endpoint has to answer."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `ok`, `missing` (an option that is not there) or `broken` (something that will not work)."""

    area: str
    state: Literal["ok", "missing", "broken"]
    found: str
    todo: str = ""


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
           store: Annotated[Path, typer.Option(help="The store to look into.")] = Path("runs/store.db")) -> None:
    """What works on this machine, what is missing, and what to do about it. Exits 1 when something is broken.

    \b
    Examples:
      consilience doctor
      OPENAI_BASE_URL=http://localhost:8000/v1 consilience doctor
    """
    findings = list(look(store))
    if json:
        say_json([asdict(f) for f in findings])
    else:
        marks = {"ok": "[green]ok      [/]", "missing": "[yellow]missing [/]", "broken": "[bold red]broken  [/]"}
        for finding in findings:
            line = Text.from_markup(marks[finding.state]).append(f" {finding.area}", style="bold").append(f" {finding.found}")
            out().print(line.append(f"\n         → {finding.todo}" if finding.todo else ""), soft_wrap=True)
    if any(f.state == "broken" for f in findings):
        raise typer.Exit(1)


def look(store: Path) -> Iterator[Finding]:
    """All findings, in order."""
    yield _python()
    yield from _core()
    yield from _extras()
    yield _devices()
    yield from _machine()
    yield _store(store)
    yield _nursery()
    yield _sandbox()
    yield _endpoint()


def _python() -> Finding:
    told = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < (3, 11):
        return Finding("python", "broken", told, "use Python 3.11 or newer")
    return Finding("python", "ok", told)


def _core() -> Iterator[Finding]:
    from consilience import __version__

    versions, missing = [], []
    for name in CORE:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding("consilience", "broken" if missing else "ok", f"{__version__}; {', '.join(versions)}",
                  f"pip install {' '.join(missing)}" if missing else "")


def _extras() -> Iterator[Finding]:
    for extra, (modules, purpose) in EXTRAS.items():
        missing = [m for m in modules if importlib.util.find_spec(m) is None]
        if missing:
            yield Finding(f"[{extra}]", "missing", f"{purpose}: no {', '.join(missing)}",
                          f"pip install 'consilience[{extra}]'")
        else:
            yield Finding(f"[{extra}]", "ok", purpose)


def _devices() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("devices", "missing", "no torch, so no models in this process; endpoints and recordings work",
                       "pip install 'consilience[local]'")
    import torch

    told = f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        cards = (torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count()))
        return Finding("devices", "ok", f"{told}; " + ", ".join(f"{c.name} {c.total_memory / GIB:.0f} GiB" for c in cards))
    if torch.backends.mps.is_available():
        return Finding("devices", "ok", f"{told}; Apple GPU")
    return Finding("devices", "ok", f"{told}; CPU only: right for the embedded pool and small models")


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
        yield Finding("machine", "ok", f"{cores} cores, {memory:.0f} GiB of memory")
    except (ValueError, OSError, AttributeError):
        yield Finding("machine", "ok", f"{cores} cores")
    free = shutil.disk_usage(Path.cwd()).free / GIB
    yield Finding("disk", "ok" if free > 1 else "broken", f"{free:.1f} GiB free here",
                  "" if free > 1 else "free some space: a store that cannot grow stops a run")


def _store(path: Path) -> Finding:
    from consilience.errors import StoreError
    from consilience.store import Store

    if not path.exists():
        return Finding("store", "ok", f"{path} does not exist yet; fit makes it, and bench a store.sqlite beside its results")
    try:
        with Store(path) as opened:
            return Finding("store", "ok", f"{path}: {opened.count():,} draws, {path.stat().st_size / 2**20:.1f} MiB")
    except StoreError as error:
        return Finding("store", "broken", str(error), "move the file away, or name another with --store")


def _nursery() -> Finding:
    from consilience import nursery

    files = sorted(nursery.WEIGHTS.rglob("*.safetensors")) if nursery.WEIGHTS.is_dir() else []
    if not files:
        return Finding("nursery", "missing", f"no weights of the embedded pool in {nursery.WEIGHTS}",
                       "python -m consilience.nursery.recipe trains them (needs [local])")
    size = sum(f.stat().st_size for f in files) / 2**20
    return Finding("nursery", "ok", f"{len(files)} checkpoints and adapters, {size:.1f} MiB")


def _sandbox() -> Finding:
    from consilience.errors import SandboxError
    from consilience.sandbox import available
    from consilience.team import run_sync

    purpose = "generated programs run isolated"
    try:
        return Finding("sandbox", "ok", f"{purpose}, by {run_sync(available())}")
    except SandboxError as error:
        refusal, _, todo = str(error).partition(" What would do: ")
        return Finding("sandbox", "missing", f"generated programs are not run: {refusal}", todo)


def _endpoint() -> Finding:
    base, key = os.getenv("OPENAI_BASE_URL", ""), os.getenv("OPENAI_API_KEY", "")
    if not base and not key:
        return Finding("endpoint", "missing", "neither OPENAI_BASE_URL nor OPENAI_API_KEY is set",
                       "set them to use openai:NAME, or write openai:NAME@http://host:8000/v1")
    from openai import APIStatusError, OpenAI, OpenAIError

    from consilience.models.openai import OPENAI_URL, key_for

    place, none = base or "the default endpoint", ""
    try:
        client = OpenAI(api_key=key_for(base or OPENAI_URL), timeout=WAIT, max_retries=0)
        names = [m.id for m in client.models.list() if isinstance(m.id, str)]
    except (AttributeError, TypeError, ValueError):         # the library takes what came for a list of models
        return Finding("endpoint", "broken", f"{place}: what answers there is no list of models",
                       "is OPENAI_BASE_URL right? It often ends in /v1")
    except (OpenAIError, ConfigError) as error:
        if not isinstance(error, APIStatusError) or error.status_code in (401, 403):
            return Finding("endpoint", "broken", f"{place}: {' '.join(str(error).split())}",
                           "check OPENAI_BASE_URL, OPENAI_API_KEY and whether the server runs")
        names, none = [], f" (status {error.status_code})"
    if not names:
        return Finding("endpoint", "missing", f"{place}: the server answers, but lists no models{none}",
                       "name one yourself: consilience ask openai:NAME \"Hello\" shows whether it works")
    some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return Finding("endpoint", "ok", f"{place}: {len(names)} models ({some})")
